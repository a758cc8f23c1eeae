"""``chatcli feedback import``: foreign feedback into the log, each row once."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from chatcli.cli.feedback.context import Journal
from chatcli.errors import ExitCode, UsageError

_KINDS = ("openwebui", "arena", "hh-rlhf", "dpo", "kto")
_MOST_COMPLAINTS = 10


def import_(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="JSON lines, a JSON array (both also .gz), or Parquet."),
    ],
    kind: Annotated[str, typer.Option("--from", metavar="|".join(_KINDS), help="What the file is.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken in.")] = False,
) -> None:
    """Take in judgements from elsewhere, marked with their origin; each only once."""
    from chatcli.datasets.imports.judgements import imported
    from chatcli.datasets.imports.rows import foreign_rows

    if kind not in _KINDS:
        raise UsageError(f"there is no format {kind!r} to import; known are {', '.join(_KINDS)}")
    journal = Journal.of(context)
    note = journal.invocation.note
    known = _known(journal, f"import:{kind}")
    new = here = unusable = 0
    now = datetime.now(UTC)
    for place, row in foreign_rows(file):
        try:
            if isinstance(row, ValueError):
                raise row
            record = imported(kind, row, now)
        except (ValueError, RecursionError) as error:
            unusable += 1
            if unusable <= _MOST_COMPLAINTS:
                note(f"chatcli: {file}:{place}: {error}; left out")
            continue
        assert record.foreign_id is not None
        if record.foreign_id in known:
            here += 1
            continue
        known.add(record.foreign_id)
        if not dry_run:
            journal.log.append(record)  # type: ignore[arg-type]  # every judgement is a record
        new += 1
    told = {"imported" if not dry_run else "to import": new, "here already": here, "unusable": unusable}
    note(
        "chatcli: " + (", ".join(f"{n:,} {what}" for what, n in told.items() if n) or f"nothing is in {file}")
    )
    if unusable:
        raise typer.Exit(ExitCode.DATA)


def _known(journal: Journal, origin: str) -> set[str]:
    """The foreign ids of what was taken in from there before, also of what does not count any more."""
    from chatcli.feedback.judgements import decode_trace

    traces = journal.log.read_backwards(decode_trace)
    return {trace.foreign_id for trace in traces if trace and trace.origin == origin and trace.foreign_id}
