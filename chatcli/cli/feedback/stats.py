"""``chatcli feedback stats``: statistics of the judgements, on the terminal, as JSON or as a page."""

from pathlib import Path
from typing import Annotated

import typer

from chatcli.cli.feedback.context import FeedbackContext
from chatcli.cli.transcripts.page import Page
from chatcli.feedback.statistics import Statistics, statistics_of
from chatcli.feedback.statistics_page import charts, findings, statistics_page
from chatcli.files.replace import atomic_write
from chatcli.terminal.live import bar
from chatcli.terminal.theme import BOLD, DIM, PLAIN
from chatcli.words import counted

_BAR = 30  # cells


def stats(
    context: typer.Context,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one HTML file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show statistics of the judgements: kinds, balance, models, reasons, time, agreement, known biases."""
    feedback = FeedbackContext.of(context)
    found = statistics_of(feedback.log.read_backwards())
    if html is not None:
        atomic_write(html, [statistics_page(found).encode()])
        feedback.invocation.note(f"chatcli: wrote {html}")
    if as_json:
        feedback.invocation.write_json(found.as_dict())
    elif html is None:
        page = Page(feedback.invocation, feedback.settings)
        _show(page, found)
        page.show()
        if found.damaged:
            feedback.invocation.note(
                f"chatcli: {counted(found.damaged, 'unreadable line')} not counted; "
                "chatcli feedback validate shows them"
            )


def _show(page: Page, found: Statistics) -> None:
    for name, value in findings(found):
        page.line((f"{name:<22}", DIM), (value, PLAIN))
    if found.models:
        page.line()
        page.line((f"{'model':<24}{'good':>8}{'bad':>8}{'won':>8}{'lost':>8}{'tied':>8}", BOLD))
    for name, m in sorted(found.models.items()):
        page.line((f"{name:<24}{m.good:>8,}{m.bad:>8,}{m.won:>8,}{m.lost:>8,}{m.tied:>8,}", PLAIN))
    for title, rows in charts(found):
        page.line()
        page.line((title, BOLD))
        most = max(count for _, count in rows)
        width = max(len(name) for name, _ in rows)
        for name, count in rows:
            graph = bar(count / most, _BAR, unicode=page.unicode)
            page.line((f"{name:<{width}}  ", PLAIN), (graph, DIM), (f" {count:,}", PLAIN))
