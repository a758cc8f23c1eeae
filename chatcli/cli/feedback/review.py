"""The questions of ``chatcli feedback export``, for ``--review`` and ``--push-to-hub``."""

from pathlib import Path
from typing import Any

import msgspec

from chatcli.cli.feedback.export_options import ExportArguments
from chatcli.cli.invocation import Invocation
from chatcli.datasets.card import ExportReport
from chatcli.errors import ChatcliError

_HELP = "y keeps the row, n drops it, a keeps it and all further rows, q drops it and all further rows"


class Reviewer:
    """Asks about each row."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._seen = 0
        self._all: bool | None = None

    def __call__(self, row: dict[str, Any], total: int) -> bool:
        """Whether to keep a row of this number of rows."""
        if self._all is not None:
            return self._all
        self._seen += 1
        text = msgspec.json.format(msgspec.json.encode(row), indent=2).decode()
        self._invocation.note(f"\nrow {self._seen:,} of {total:,}\n{text}")
        while True:
            answer = _ask(self._invocation, "keep it? [y/n/a/q/?] ")
            if answer in ("a", "q", ""):
                self._all = answer == "a"
            if answer in ("y", "n", "a", "q", ""):
                return answer in ("y", "a")
            self._invocation.note(_HELP)


def push(invocation: Invocation, options: ExportArguments, report: ExportReport, folder: Path) -> None:
    """List what would leave the machine, ask, and upload the dataset.

    Raises:
        ChatcliError: the user says no, or the upload fails; the folder stays.
    """
    from chatcli.datasets.upload import upload_dataset

    assert options.push_to_hub is not None
    note, redactor = invocation.note, report.redactor
    audience = "everybody can see it" if options.public else "only you and people you allow can see it"
    note(f"chatcli: this leaves your machine, for {options.push_to_hub} on the Hugging Face Hub; {audience}:")
    for name in report.written:
        note(f"  {name}  {(folder / name).stat().st_size:,} bytes")
    redaction = "not redacted (--redact replaces private data)"
    if redactor is not None:
        redaction = f"redacted: {redactor.counts.total():,} places in {redactor.texts:,} texts"
    note(f"  {report.funnel.rows.total():,} rows of your chats, {redaction}")
    if not options.yes and _ask(invocation, "upload? [y/N] ") != "y":
        raise ChatcliError(f"nothing was uploaded; the dataset is in {folder}")
    where = upload_dataset(folder, options.push_to_hub, report.written, private=not options.public)
    note(f"chatcli: uploaded to {where}")


def _ask(invocation: Invocation, question: str) -> str:
    """The first letter of the answer in lower case; ``?`` for an empty line, '' at the end of input."""
    invocation.stderr.write(question)
    invocation.stderr.flush()
    line = invocation.stdin.readline()
    if not line:
        return ""
    return (line.decode("utf-8", "replace").strip().lower() or "?")[0]
