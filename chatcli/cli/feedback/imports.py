"""``chatcli feedback import``: feedback of other programs into the log, each row once."""

from typing import Annotated

import typer

from chatcli.cli.feedback.context import FeedbackContext
from chatcli.datasets.imports.table import IMPORTERS, import_file
from chatcli.errors import ExitCode, UsageError

_MOST_COMPLAINTS = 10


def import_(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="JSON lines, a JSON array (both also .gz), or Parquet."),
    ],
    kind: Annotated[str, typer.Option("--from", metavar="|".join(IMPORTERS), help="Format of the file.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be imported.")] = False,
) -> None:
    """Import judgements from elsewhere, marked with their origin; each only once."""
    if kind not in IMPORTERS:
        raise UsageError(f"no format {kind!r} to import; known are {', '.join(IMPORTERS)}")
    feedback = FeedbackContext.of(context)
    note = feedback.invocation.note
    complaints = 0

    def complain(place: int, fault: str) -> None:
        nonlocal complaints
        complaints += 1
        if complaints <= _MOST_COMPLAINTS:
            note(f"chatcli: {file}:{place}: {fault}; left out")

    counts = import_file(feedback.log, file, kind, dry_run=dry_run, complain=complain)
    verb = "to import" if dry_run else "imported"
    told = {verb: counts.new, "already imported": counts.known, "unusable": counts.unusable}
    summary = ", ".join(f"{n:,} {what}" for what, n in told.items() if n)
    note(f"chatcli: {summary or f'{file} has no rows'}")
    if counts.unusable:
        raise typer.Exit(ExitCode.DATA)
