"""One run of ``chatcli feedback export``: reads the log twice, and writes what comes of it."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from chatcli import __version__
from chatcli.cli.feedback.export_options import ExportOptions
from chatcli.cli.invocation import Invocation
from chatcli.datasets.card import Account, DataFileFacts, card, manifest
from chatcli.datasets.derivation import KINDS, LabelRow, PairRow, Plan, rows
from chatcli.datasets.derivation_survey import UNREADABLE, Survey, survey
from chatcli.datasets.feedback_source import FeedbackSource
from chatcli.datasets.folder import (
    CARD,
    MANIFEST,
    Array,
    DataFile,
    Lines,
    Parquet,
    Sink,
    check_room,
    clear_dataset,
    finish_dataset,
)
from chatcli.datasets.formats.table import format_named
from chatcli.datasets.funnel import Funnel
from chatcli.datasets.lengths import Lengths
from chatcli.datasets.redact import Redactor
from chatcli.errors import ChatcliError, UsageError
from chatcli.feedback.codec import decode

T = TypeVar("T")
#: Gives the row to keep, or None.
Review = Callable[[dict[str, Any]], bool]
_UNSAYABLE, _REVIEWED = "cannot be said in the format", "dropped in review"
_SAMPLES = 12
_MARK_EVERY = 1024


class Export:
    """What is exported, and how.

    Attributes:
        format: the format.
        parquet: it is written as Parquet.
        account: what is known when all is written.
        written: the files of the folder.

    Raises:
        UsageError: an option makes no sense.
    """

    def __init__(self, invocation: Invocation, options: ExportOptions) -> None:
        self._invocation = invocation
        self._options = options
        self.format = format_named(options.format)
        self.parquet = options.parquet or (options.out or "").endswith(".parquet")
        self.rules = options.rules()
        self.split = options.division()
        self.redactor: Redactor | None = None
        if options.redact or options.redact_patterns:
            self.redactor = Redactor(options.redact_patterns or ())
        self.written: list[str] = []
        self._log = Path(options.log) if options.log else invocation.paths.feedback_log
        self.account = Account(
            self.format, self.rules, self.split, Funnel(), Lengths(), __version__, "",
            redacted=self.redactor.counts if self.redactor else None,
            patterns=tuple(options.redact_patterns or ()),
        )  # fmt: skip

    @property
    def funnel(self) -> Funnel:
        """The counts."""
        return self.account.funnel

    def count(self) -> None:
        """Do everything but write."""
        with FeedbackSource(self._log) as source:
            for _ in self._rendered(source):
                pass

    def to_stream(self, stream: BinaryIO) -> None:
        """Write all rows to a stream."""
        sink: Sink = (Array if self.format.array else Lines)(stream)
        with FeedbackSource(self._log) as source:
            for _, row in self._rendered(source):
                sink.add(row)
        sink.close()
        stream.flush()

    def to_file(self, out: str) -> None:
        """Write all rows into one file.

        Raises:
            ChatcliError: it cannot be written, or there are no rows.
        """
        path = Path(out)
        if os.path.lexists(path) and not self._options.force:
            raise UsageError(f"{out} is there already; choose another --out or give --force")
        with FeedbackSource(self._log) as source:
            self._write(source, {"train": path}, lambda: None)

    def to_folder(self, out: str) -> None:
        """Write a dataset: data, card, manifest and what else the format wants.

        Raises:
            ChatcliError: it cannot be written, or there are no rows.
        """
        folder = Path(out)
        suffix = ".parquet" if self.parquet else self.format.suffix
        with FeedbackSource(self._log) as source:
            check_room(folder, force=self._options.force)
            self.account.input_sha256 = source.sha256()
            paths = {split: folder / f"{split}{suffix}" for split in ("train", "validation")}
            self.account.files = self._write(source, paths, partial(clear_dataset, folder))
        names = {file.split: file.name for file in self.account.files}
        others = self.format.companions(names) if self.format.companions else {}
        written = {CARD: card(self.account).encode(), **others}
        finish_dataset(folder, manifest(self.account, sorted(written)), written)
        self.written = sorted([MANIFEST, *written, *names.values()])

    def tell(self, *, counts: bool) -> None:
        """Say on stderr what was done.

        Args:
            counts: also how many rows there are.
        """
        note, account = self._invocation.note, self.account
        if counts:
            dropped = account.funnel.dropped.total()
            by_split = ", ".join(f"{number:,} {name}" for name, number in sorted(account.funnel.rows.items()))
            by_split = by_split or "no"
            note(
                f"chatcli: {by_split} rows ({account.funnel.unit}) from {account.funnel.live:,} judgements"
                + (f"; {dropped:,} left out, --dry-run says why" if dropped else "")
            )
        for line in account.lengths.lines():
            note(f"chatcli: {line}")
        if self.split is not None and len(account.funnel.rows) < 2:
            note("chatcli: all rows are on one side of the split; there are too few conversations")
        if self.redactor is not None:
            self._tell_redacted(self.redactor)

    def _tell_redacted(self, redactor: Redactor) -> None:
        note = self._invocation.note
        found = ", ".join(f"{number:,} {name}" for name, number in sorted(redactor.counts.items()))
        note(f"chatcli: redacted in {redactor.texts:,} texts: {found or 'nothing'}")
        for before, after in redactor.samples[:_SAMPLES]:
            note(f"  - {_one_line(before)}\n  + {_one_line(after)}")
        if len(redactor.samples) > _SAMPLES:
            note("  and more; what has no telling form is not found: look at the data before you share it")

    def _write(
        self, source: FeedbackSource, paths: dict[str, Path], make_room: Callable[[], None]
    ) -> list[DataFileFacts]:
        kind = (
            partial(Parquet, example=self._example()) if self.parquet
            else Array if self.format.array
            else Lines
        )  # fmt: skip
        for path in paths.values():
            if path.exists() and self._log.exists() and path.samefile(self._log):
                raise UsageError(f"{path} is the log itself, which is never replaced; choose another --out")
        files: dict[str, DataFile] = {}
        try:
            for split, row in self._rendered(source):
                if split not in files:
                    files[split] = DataFile(paths[split], split, kind)
                files[split].add(row)
            if not files:
                raise ChatcliError(f"no {self.funnel.unit} come of {self._log}; --dry-run shows why")
            make_room()
            return [files[split].finish() for split in sorted(files)]
        except BaseException:
            for file in files.values():
                file.discard()
            raise

    def _example(self) -> dict[str, Any]:
        return self.format.example(marks=self.rules.marks, reasoning=self.rules.reasoning == "keep")

    def _rendered(self, source: FeedbackSource) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every row that is written, with its split."""
        lines = self._tracked(source.backwards(), "reading", lambda item: 1 - item[0] / max(source.size, 1))
        kinds, pictures = KINDS.get(self.format.unit), self.format.pictures
        found = survey(lines, self.rules, kinds=kinds, pictures=pictures, split=self.split)
        self._tell_faults(found, source)
        plan = Plan.of(found, self.format.unit, self.rules)
        account, render = self.account, self.format.render
        account.funnel, account.lengths = found.funnel, plan.lengths
        keep = self._review(len(plan))
        marks = self.rules.marks and self.format.marks
        made = rows(plan, source.line_at, self.rules, self.redactor, account.models)
        number = iter(range(len(plan)))
        for split, row in self._tracked(made, "writing", lambda _: next(number, 0) / len(plan)):
            rendered = render(row, marks)
            if rendered is None:
                account.funnel.dropped[_UNSAYABLE] += 1
                continue
            if keep is not None and not keep(rendered):
                account.funnel.dropped[_REVIEWED] += 1
                continue
            account.funnel.rows[split] += 1
            if isinstance(row, (PairRow, LabelRow)):
                account.sources[row.source] += 1
                if isinstance(row, LabelRow):
                    account.labels[row.good] += 1
            yield split, rendered

    def _review(self, total: int) -> Review | None:
        if not self._options.review or self._options.dry_run:
            return None
        from chatcli.cli.feedback.review import Reviewer

        return Reviewer(self._invocation, total)

    def _tell_faults(self, found: Survey, source: FeedbackSource) -> None:
        if not found.faults:
            return
        position = found.faults[-1]
        try:
            decode(source.line_at(position))
            fault = "its fields do not fit together"
        except RecursionError:
            fault = "nested too deeply"
        except ValueError as error:
            fault = str(error)
        self._invocation.note(
            f"chatcli: {source.path}:{source.line_number(position)}: {fault}; left out, with all such lines "
            f"{found.funnel.not_live[UNREADABLE]:,} (chatcli feedback validate shows them)"
        )

    def _tracked(self, items: Iterable[T], what: str, share: Callable[[T], float]) -> Iterable[T]:
        """The same items; on a terminal, long work is seen to go on."""
        stderr = self._invocation.stderr
        if not stderr.isatty() or self._options.review:
            return items
        return self._shown(items, what, share)

    def _shown(self, items: Iterable[T], what: str, share: Callable[[T], float]) -> Iterator[T]:
        stderr = self._invocation.stderr
        begun, shown = time.monotonic(), False
        width = 30
        for count, item in enumerate(items):
            done = share(item)
            if count % _MARK_EVERY == 0 and time.monotonic() - begun > 1:
                full = round(width * done)
                stderr.write(f"\r{what} [{'#' * full}{' ' * (width - full)}] {done:4.0%}")
                stderr.flush()
                shown = True
            yield item
        if shown:
            stderr.write("\r" + " " * (width + 20) + "\r")


def _one_line(text: str) -> str:
    return " ".join(text.split())
