"""``--push-to-hub``: says what would leave the machine, asks, and uploads the folder."""

from typing import TYPE_CHECKING

from chatcli.cli.feedback.export_options import ExportOptions
from chatcli.cli.invocation import Invocation
from chatcli.errors import ChatcliError

if TYPE_CHECKING:
    from chatcli.cli.feedback.export_run import Export


def push(invocation: Invocation, options: ExportOptions, work: "Export", folder: str) -> None:
    """Upload a dataset that was just written.

    Raises:
        ChatcliError: the person does not want to, or it fails; the folder stays.
    """
    from pathlib import Path

    from chatcli.cli.feedback.review import ask
    from chatcli.datasets.upload import upload_dataset

    assert options.push_to_hub is not None
    files = [Path(folder, name) for name in work.written]
    note = invocation.note
    audience = "everybody can see it" if options.public else "only you and whom you let can see it"
    note(f"chatcli: this leaves your machine, for {options.push_to_hub} on the Hugging Face Hub; {audience}:")
    for path in files:
        note(f"  {path.name}  {path.stat().st_size:,} bytes")
    note(f"  {work.funnel.rows.total():,} rows of your chats, {_redaction(work)}")
    if not options.yes and ask(invocation, "upload? [y/N] ") != "y":
        raise ChatcliError(f"nothing was uploaded; the dataset is in {folder}")
    where = upload_dataset(Path(folder), options.push_to_hub, work.written, private=not options.public)
    note(f"chatcli: uploaded to {where}")


def _redaction(work: "Export") -> str:
    if work.redactor is None:
        return "not redacted (--redact looks for what is private)"
    return f"redacted: {work.redactor.counts.total():,} places in {work.redactor.texts:,} texts"
