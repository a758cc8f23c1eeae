"""The pipeline from judgements to a dataset: read, plan, make rows, write. Without a screen.

``export`` writes a dataset and ``export_rows`` gives its rows. Both take ``ExportOptions``, call a progress
callback, and fill an ``ExportReport`` with all counts.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from chatcli.datasets.card import DataFileFacts, ExportReport, card, manifest
from chatcli.datasets.folder import (
    CARD,
    MANIFEST,
    ArrayFile,
    DataFile,
    LinesFile,
    ParquetFile,
    Sink,
    check_room,
    clear_dataset,
    finish_dataset,
)
from chatcli.datasets.formats.declaration import Format
from chatcli.datasets.formats.table import format_named
from chatcli.datasets.judged import Condenser, ExportProgress, WholeJudgement, read_judgements
from chatcli.datasets.plan import WHOLE, DatasetPlan, LabelRow, PairRow, RowMaker
from chatcli.datasets.redact import Redactor
from chatcli.datasets.rules import Rules
from chatcli.datasets.splits import DatasetSplit
from chatcli.errors import ChatcliError, UsageError
from chatcli.files.disk import storage_error, sync_folder
from chatcli.files.replace import part_of
from chatcli.storage.feedback.log import FeedbackLog

#: Whether to keep a row, given the row and the number of planned rows.
Review = Callable[[dict[str, Any], int], bool]
#: Suffixes of a single data file; any other path is a folder.
FILE_SUFFIXES = (".jsonl", ".json", ".parquet")
_INEXPRESSIBLE, _REVIEWED = "cannot be said in the format", "dropped in review"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What to export, and how.

    Attributes:
        log: the feedback log, or a file like it.
        format: name of the format, see ``formats.table``.
        rules: which judgements count and how rows are made.
        split: how to divide the rows; None puts all on the training side.
        redact: replace private data by placeholders.
        redact_patterns: further regular expressions to redact; they imply ``redact``.
        parquet: write Parquet instead of JSON.
        force: replace an earlier export.

    Raises:
        UsageError: options do not go together, or have impossible values.
    """

    log: Path
    format: str = "dpo"
    rules: Rules = field(default_factory=Rules)
    split: DatasetSplit | None = None
    redact: bool = False
    redact_patterns: tuple[str, ...] = ()
    parquet: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        form = format_named(self.format)
        if self.rules.reasoning == "keep" and not form.reasoning:
            raise UsageError(f"{form.name} has no field for reasoning; use --reasoning wrap or drop")
        if self.parquet and not form.tabular:
            raise UsageError(f"{form.name} does not fit into a table; export JSON")
        if self.split is not None and not 0 < self.split.share < 1:
            raise UsageError(f"a split is a share between 0 and 1, such as 0.9, not {self.split.share:g}")

    def report(self) -> ExportReport:
        """An empty report for these options.

        Raises:
            UsageError: a pattern is not a regular expression.
        """
        redactor = Redactor(self.redact_patterns) if self.redact or self.redact_patterns else None
        return ExportReport(format_named(self.format), self.rules, self.split, redactor, self.redact_patterns)


def export(
    options: ExportOptions,
    out: Path | BinaryIO | None,
    *,
    progress: ExportProgress | None = None,
    keep: Review | None = None,
) -> ExportReport:
    """Export judgements as a dataset.

    Args:
        out: a folder, for data, card and manifest; a file with one of ``FILE_SUFFIXES`` or a stream, for the
            rows alone; or None, to only count.
        progress: receives the progress of each step.
        keep: decides on each row.

    Raises:
        ChatcliError: the log cannot be read, the output cannot be written, or there are no rows for it.
    """
    report = options.report()
    rows = export_rows(options, report, progress=progress, keep=keep)
    if out is None:
        for _ in rows:
            pass
    elif not isinstance(out, Path):
        _to_stream(report.format, rows, out)
    elif out.name.endswith(FILE_SUFFIXES):
        if os.path.lexists(out) and not options.force:
            raise UsageError(f"{out} already exists; choose another --out or pass --force")
        report.files = _write(options, report, rows, {"train": out}, lambda: None)
    else:
        _to_folder(options, report, rows, out)
    return report


def export_rows(
    options: ExportOptions,
    report: ExportReport | None = None,
    *,
    progress: ExportProgress | None = None,
    keep: Review | None = None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a dataset in their order, each with its split.

    Args:
        report: is filled while the rows are taken; see ``ExportOptions.report``.

    Raises:
        ChatcliError: the log cannot be read.
    """
    report = report or options.report()
    form, log = report.format, FeedbackLog(options.log)
    plan = _planned(options, report, log, progress)
    total = len(plan.rows)
    lines = (raw.removeprefix(b"\xef\xbb\xbf") for raw, _ in log.lines())
    made = RowMaker(plan, lines, report.redactor)
    report.models = made.models
    for number, (split, row) in enumerate(made, start=1):
        if progress is not None:
            progress("writing", number, total)
        rendered = form.render(row, options.rules.marks and form.marks)
        if rendered is None:
            report.funnel.dropped[_INEXPRESSIBLE] += 1
            continue
        if keep is not None and not keep(rendered, total):
            report.funnel.dropped[_REVIEWED] += 1
            continue
        report.funnel.rows[split] += 1
        if isinstance(row, (PairRow, LabelRow)):
            report.sources[row.source] += 1
        if isinstance(row, LabelRow):
            report.labels[row.good] += 1
        yield split, rendered


def _planned(
    options: ExportOptions, report: ExportReport, log: FeedbackLog, progress: ExportProgress | None
) -> DatasetPlan:
    """The plan of the rows; fills the report as far as reading goes."""
    form = report.format
    read = partial(
        read_judgements, log, rules=options.rules, funnel=report.funnel, kinds=WHOLE.get(form.unit),
        pictures=form.pictures, split=options.split, progress=progress,
    )  # fmt: skip
    report.funnel.unit = form.unit.value
    plan = DatasetPlan(form.unit, options.rules, report.funnel, report.lengths)
    if form.unit in WHOLE:
        whole = read(lambda line, _record, _key, side: WholeJudgement(line, side))
        plan.add_whole(whole.judged)
        report.input_sha256, report.faults = whole.sha256, whole.faults
    else:
        found = read(Condenser())
        plan.add_judgements(found.judged)
        report.input_sha256, report.faults = found.sha256, found.faults
    return plan


def _to_stream(form: Format, rows: Iterator[tuple[str, dict[str, Any]]], stream: BinaryIO) -> None:
    sink: Sink = (ArrayFile if form.array else LinesFile)(stream)
    for _, row in rows:
        sink.add(row)
    sink.close()
    stream.flush()


def _to_folder(
    options: ExportOptions, report: ExportReport, rows: Iterator[tuple[str, dict[str, Any]]], folder: Path
) -> None:
    check_room(folder, force=options.force)
    form = report.format
    suffix = ".parquet" if options.parquet else form.suffix
    paths = {split: folder / f"{split}{suffix}" for split in ("train", "validation")}
    report.files = _write(options, report, rows, paths, partial(clear_dataset, folder))
    names = {file.split: file.name for file in report.files}
    others = form.companions(names) if form.companions else {}
    written = {CARD: card(report).encode(), **others}
    finish_dataset(folder, manifest(report, sorted(written)), written)
    report.written = sorted([MANIFEST, *written, *names.values()])


def _write(
    options: ExportOptions,
    report: ExportReport,
    rows: Iterator[tuple[str, dict[str, Any]]],
    paths: dict[str, Path],
    make_room: Callable[[], None],
) -> list[DataFileFacts]:
    """Write the data files, and remove earlier ones when all rows are there."""
    form, rules, log = report.format, options.rules, options.log
    kind: Callable[[BinaryIO], Sink] = ArrayFile if form.array else LinesFile
    if options.parquet:
        example = form.example(marks=rules.marks, reasoning=rules.reasoning == "keep")
        kind = partial(ParquetFile, example=example)
    for path in paths.values():
        if path.exists() and log.exists() and path.samefile(log):
            raise UsageError(f"{path} is the log itself, which is never replaced; choose another --out")
    files: dict[str, DataFile] = {}
    try:
        with ExitStack() as stack:
            for split, row in rows:
                if split not in files:
                    part = stack.enter_context(part_of(paths[split]))
                    files[split] = DataFile(part, split, kind)
                    stack.callback(files[split].stream.close)
                files[split].add(row)
            if not files:
                raise ChatcliError(f"no {report.funnel.unit} in {log}; --dry-run shows why")
            facts = [files[split].finish(paths[split].name) for split in sorted(files)]
            make_room()
    except OSError as error:
        raise storage_error("write", paths["train"], error) from error
    sync_folder(paths["train"].parent)
    return facts
