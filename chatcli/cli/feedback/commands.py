"""``chatcli feedback``: list, show, edit, retract, count and check judgements."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from chatcli.chat.pictures import in_words
from chatcli.cli.feedback.context import (
    FeedbackContext,
    JudgementId,
    models_of,
    record_json,
    short_id,
    verdict_of,
)
from chatcli.cli.feedback.edit import edit
from chatcli.cli.feedback.export import export
from chatcli.cli.feedback.imports import import_
from chatcli.cli.feedback.show import show
from chatcli.cli.feedback.stats import stats
from chatcli.cli.transcripts.context import local_time
from chatcli.cli.transcripts.page import Page
from chatcli.errors import DataError, UsageError
from chatcli.feedback.codec import NewerRecord
from chatcli.feedback.judgements import Fate
from chatcli.feedback.reasons import label
from chatcli.feedback.records import Judgement, Rating, Record, Retraction, kind_of, retraction
from chatcli.files.record_log import DamagedLine
from chatcli.storage.feedback.log import FeedbackLog
from chatcli.terminal.theme import BOLD, DIM, PLAIN, RED
from chatcli.words import counted

app = typer.Typer(
    help="Judgements: list, show, edit, retract, count, check, export, import.", no_args_is_help=True
)

KINDS = ("rating", "comparison", "ranking", "correction", "retraction")


@app.command("list")
def list_(
    context: typer.Context,
    last: Annotated[int, typer.Option("--last", metavar="N", min=0, help="How many; 0 for all.")] = 20,
    good: Annotated[bool, typer.Option("--good", help="Only good ratings.")] = False,
    bad: Annotated[bool, typer.Option("--bad", help="Only bad ratings.")] = False,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Only judgements of answers of this model.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help=f"Only this kind: {', '.join(KINDS)}.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also judgements that do not count any more, and retractions.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole records as JSON.")] = False,
) -> None:
    """List judgements, newest first: id, date, verdict, models, reasons, question."""
    if kind is not None and kind not in KINDS:
        raise UsageError(f"no kind {kind!r}; known are {', '.join(KINDS)}")
    feedback = FeedbackContext.of(context)
    everything = everything or kind == "retraction"
    thumbs = {True} if good and not bad else {False} if bad and not good else set()
    if good and bad:
        thumbs = {True, False}
    found = islice(_chosen(feedback, thumbs, model, kind, everything=everything), last or None)
    if as_json:
        feedback.invocation.write_json([record_json(record, fate) for record, fate in found])
        return

    page = Page(feedback.invocation, feedback.settings)
    count = 0
    for record, fate in found:
        _line(page, record, fate)
        count += 1
    page.show()
    if not count:
        feedback.invocation.note(f"chatcli: no such judgements in {feedback.log.path}")


def _chosen(
    feedback: FeedbackContext, thumbs: set[bool], model: str | None, kind: str | None, *, everything: bool
) -> Iterator[tuple[Record, Fate]]:
    for record, fate in feedback.log.events():
        if (
            (everything or fate is Fate.LIVE)
            and (kind is None or kind_of(record) == kind)
            and (model is None or model in models_of(record))
            and (not thumbs or (isinstance(record, Rating) and record.good in thumbs))
        ):
            yield record, fate


def _line(page: Page, record: Record, fate: Fate) -> None:
    why = [record.comment] if record.comment else []
    asked = ""
    if isinstance(record, Judgement):
        why = [*map(label, record.reasons), *why]
        asked = in_words(record.prompt[-1])
    elif isinstance(record, Retraction):
        why = [f"of {short_id(record.retracts)}", *why]
    mark = "" if fate in (Fate.LIVE, Fate.MARK) else f"  [{fate.value}]"
    page.line(
        (f"{short_id(record.id)}  ", PLAIN),
        (f"{local_time(record.time)}  ", DIM),
        (f"{verdict_of(record):<11}", BOLD),
        (mark, RED),
        (f"  {', '.join(dict.fromkeys(models_of(record)))}", DIM),
        (f"  ({'; '.join(why)})" if why else "", PLAIN),
        (f"  {asked}", DIM),
        clip=True,
    )


app.command("show")(show)
app.command("edit")(edit)
app.command("stats")(stats)
app.command("export")(export)
app.command("import")(import_)


@app.command("retract")
def retract(
    context: typer.Context,
    ref: JudgementId,
    comment: Annotated[
        str | None, typer.Option("--comment", metavar="TEXT", help="Reason for the retraction.")
    ] = None,
) -> None:
    """Retract a judgement: it stays in the log and does not count any more."""
    feedback = FeedbackContext.of(context)
    record = feedback.log.find(ref)
    fate = feedback.log.fate(record.id)
    if fate is not Fate.LIVE:
        raise UsageError(f"{record.id} does not count any more: it is {_words(fate)}")
    feedback.log.append(retraction(record.id, comment=comment))
    feedback.invocation.note(f"chatcli: {record.id} ({verdict_of(record)}) does not count any more")


def _words(fate: Fate) -> str:
    return "a retraction" if fate == "mark" else fate.value


@app.command("validate")
def validate(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Check this log instead of your own.", dir_okay=False),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Move damaged lines to FILE.damaged; nothing is deleted."),
    ] = False,
) -> None:
    """Check every line of the log; report file, line and fault of damaged ones."""
    feedback = FeedbackContext.of(context)
    log = feedback.log if file is None else FeedbackLog(file)
    if file is not None and not file.exists():
        raise UsageError(f"no file {file}")
    counts: Counter[str] = Counter()
    for item in log.validate():
        if isinstance(item, DamagedLine):
            counts["damaged"] += 1
            feedback.invocation.write(f"{item.error(log.path)}\n")
        else:
            counts["newer" if isinstance(item, NewerRecord) else "sound"] += 1
    newer = f", {counts['newer']:,} of a newer version" if counts["newer"] else ""
    feedback.invocation.note(f"chatcli: {log.path}: {counted(counts['sound'], 'record')}{newer}")
    if counts["damaged"] and repair:
        moved = log.repair()
        feedback.invocation.note(f"chatcli: moved {counted(moved, 'damaged line')} to {log.damaged_path}")
    elif counts["damaged"]:
        raise DataError(
            f"{log.path}: {counted(counts['damaged'], 'damaged line')}; --repair moves them aside"
        )


@app.command("path")
def path(context: typer.Context) -> None:
    """Print the path of the log."""
    feedback = FeedbackContext.of(context)
    feedback.invocation.write(f"{feedback.log.path}\n")
