"""``chatcli feedback export``: datasets for preference trainers, from the judgements that count."""

import json
import os
from typing import TYPE_CHECKING

import typer

from chatcli.cli.feedback.export_options import ExportOptions
from chatcli.cli.invocation import Invocation
from chatcli.cli.options import takes_model_options
from chatcli.errors import ChatcliError, UsageError

if TYPE_CHECKING:
    from chatcli.cli.feedback.export_run import Export

_STDOUT = "-"
_FILES = (".jsonl", ".json", ".parquet")


@takes_model_options
def export(
    context: typer.Context,
    options: ExportOptions = ExportOptions(),  # noqa: B008  (frozen)
) -> None:
    """Write what was judged as a dataset: pairs, labels or good answers, in the form a trainer reads."""
    invocation = Invocation.from_process()
    if options.show_formats:
        _list(invocation)
        return
    from chatcli.cli.feedback.export_run import Export

    work = Export(invocation, options)
    _check(work, invocation, options)
    if options.dry_run:
        work.count()
        invocation.write("".join(f"{line}\n" for line in work.funnel.lines()))
        work.tell(counts=False)
        return
    out = options.out or f"feedback-{work.format.name}"
    if out == _STDOUT:
        work.to_stream(invocation.stdout.buffer)
    elif out.endswith(_FILES):
        work.to_file(out)
    else:
        work.to_folder(out)
    work.tell(counts=True)
    if options.push_to_hub:
        from chatcli.cli.feedback.push import push

        push(invocation, options, work, out)


def _check(work: "Export", invocation: Invocation, options: ExportOptions) -> None:
    """Refuse options that do not go together.

    Raises:
        UsageError: two of them do not.
    """
    form, out = work.format, options.out or ""
    one_file = out == _STDOUT or out.endswith(_FILES)
    if options.reasoning == "keep" and not form.reasoning:
        raise UsageError(f"{form.name} has no field for reasoning; use --reasoning wrap or drop")
    if one_file and options.split is not None:
        raise UsageError("--split makes several files: give --out a folder")
    if one_file and options.push_to_hub:
        raise UsageError("--push-to-hub uploads a folder: give --out a folder")
    if work.parquet and not form.tabular:
        raise UsageError(f"{form.name} does not fit into a table; export JSON")
    if work.parquet and out == _STDOUT:
        raise UsageError("Parquet cannot be streamed: give --out a file or a folder")
    if out.endswith(_FILES) and not work.parquet and not out.endswith(form.suffix):
        raise UsageError(f"{form.name} is {form.suffix}: give --out such a file, or a folder")
    if options.review and not (invocation.stdin.isatty() and invocation.stderr.isatty()):
        raise UsageError("--review needs a terminal to ask on")
    if options.push_to_hub and not options.dry_run:
        if options.push_to_hub.count("/") != 1 or not all(options.push_to_hub.split("/")):
            raise UsageError(f"--push-to-hub takes OWNER/NAME, not {options.push_to_hub!r}")
        if not options.yes and not invocation.stdin.isatty():
            raise UsageError("--push-to-hub asks first: run it on a terminal, or give --yes")
    if options.log is not None and not os.path.lexists(options.log):
        raise ChatcliError(f"there is no file {options.log}")


def _list(invocation: Invocation) -> None:
    from chatcli.datasets.formats.table import FORMATS

    for form in FORMATS.values():
        invocation.write(f"{form.name}: {form.summary}\n")
        invocation.write(f"    {json.dumps(form.example(), ensure_ascii=False)}\n\n")
