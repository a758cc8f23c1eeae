"""``chatcli feedback export``: datasets for preference trainers, from the judgements that count."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from chatcli.cli.feedback.export_options import ExportArguments
from chatcli.cli.feedback.review import Reviewer, push
from chatcli.cli.invocation import Invocation
from chatcli.cli.options import takes_model_options
from chatcli.datasets.card import ExportReport
from chatcli.datasets.export import FILE_SUFFIXES, ExportOptions
from chatcli.datasets.export import export as write_dataset
from chatcli.datasets.judged import ExportProgress
from chatcli.errors import ChatcliError, UsageError

_STDOUT = "-"
_SAMPLES = 12


@takes_model_options
def export(
    context: typer.Context,
    options: ExportArguments = ExportArguments(),  # noqa: B008  (frozen)
) -> None:
    """Write judgements as a dataset: pairs, labels or good answers, in the format of a trainer."""
    invocation = Invocation.from_process()
    if options.show_formats:
        _list(invocation)
        return

    work = options.options(invocation.paths.feedback_log)
    _check(work, invocation, options)
    out = options.out or f"feedback-{work.format}"
    target = None if options.dry_run else invocation.stdout.buffer if out == _STDOUT else Path(out)
    keep = Reviewer(invocation) if options.review and not options.dry_run else None
    with _progress(invocation, hidden=options.review) as progress:
        report = write_dataset(work, target, progress=progress, keep=keep)
    if options.dry_run:
        invocation.write("".join(f"{line}\n" for line in report.funnel.lines()))
    _tell(invocation, work, report, counts=not options.dry_run)
    if options.push_to_hub and not options.dry_run:
        push(invocation, options, report, Path(out))


def _check(work: ExportOptions, invocation: Invocation, options: ExportArguments) -> None:
    """Check the options that only the command line has.

    Raises:
        UsageError: options do not go together.
    """
    from chatcli.datasets.formats.table import format_named

    form, out = format_named(work.format), options.out or ""
    one_file = out == _STDOUT or out.endswith(FILE_SUFFIXES)
    if one_file and options.split is not None:
        raise UsageError("--split writes several files: pass a folder to --out")
    if one_file and options.push_to_hub:
        raise UsageError("--push-to-hub uploads a folder: pass a folder to --out")
    if work.parquet and out == _STDOUT:
        raise UsageError("Parquet cannot be streamed: pass a file or a folder to --out")
    if out.endswith(FILE_SUFFIXES) and not work.parquet and not out.endswith(form.suffix):
        raise UsageError(f"{form.name} is {form.suffix}: pass such a file, or a folder, to --out")
    if options.review and not (invocation.stdin.isatty() and invocation.stderr.isatty()):
        raise UsageError("--review asks questions and needs a terminal")
    if options.push_to_hub and not options.dry_run:
        if options.push_to_hub.count("/") != 1 or not all(options.push_to_hub.split("/")):
            raise UsageError(f"--push-to-hub takes OWNER/NAME, not {options.push_to_hub!r}")
        if not options.yes and not invocation.stdin.isatty():
            raise UsageError("--push-to-hub asks first and needs a terminal; pass --yes in scripts")
    if options.log is not None and not os.path.lexists(options.log):
        raise ChatcliError(f"no file {options.log}")


def _list(invocation: Invocation) -> None:
    from chatcli.datasets.formats.table import FORMATS

    for form in FORMATS.values():
        invocation.write(f"{form.name}: {form.summary}\n")
        invocation.write(f"    {json.dumps(form.example(), ensure_ascii=False)}\n\n")


@contextmanager
def _progress(invocation: Invocation, *, hidden: bool) -> Iterator[ExportProgress | None]:
    """Shows the progress of long work on a terminal."""
    if hidden or not invocation.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, TaskID

    with Progress(console=Console(file=invocation.stderr), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            if done % 256 == 0 or done == total:
                bars.update(tasks[step], completed=done)

        yield show


def _tell(invocation: Invocation, options: ExportOptions, report: ExportReport, *, counts: bool) -> None:
    """Tell on stderr what was done.

    Args:
        counts: also the number of rows.
    """
    note, funnel = invocation.note, report.funnel
    if report.faults:
        first = report.faults[0]
        note(
            f"chatcli: {options.log}:{first.line}: {first.fault}; unreadable lines left out: "
            f"{len(report.faults):,} (chatcli feedback validate shows them)"
        )
    if counts:
        dropped = funnel.dropped.total()
        by_split = ", ".join(f"{number:,} {name}" for name, number in sorted(funnel.rows.items()))
        note(
            f"chatcli: {by_split or 'no'} rows ({funnel.unit}) from {funnel.live:,} judgements"
            + (f"; {dropped:,} left out, --dry-run shows why" if dropped else "")
        )
    for line in report.lengths.lines():
        note(f"chatcli: {line}")
    if report.split is not None and len(funnel.rows) < 2:
        note("chatcli: all rows are on one side of the split: there are too few conversations")
    if report.redactor is None:
        return
    redactor = report.redactor
    found = ", ".join(f"{number:,} {name}" for name, number in sorted(redactor.counts.items()))
    note(f"chatcli: redacted in {redactor.texts:,} texts: {found or 'nothing'}")
    for before, after in redactor.samples[:_SAMPLES]:
        note(f"  - {' '.join(before.split())}\n  + {' '.join(after.split())}")
    if len(redactor.samples) > _SAMPLES:
        note("  and more. Private data without a typical form is not found: check the data before sharing")
