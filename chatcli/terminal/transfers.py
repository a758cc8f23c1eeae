"""How downloads are shown: a bar for every file on a terminal, otherwise a plain line now and then."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, TextIO

from chatcli.library.hub.amount import amount
from chatcli.library.hub.listing import RemoteFile
from chatcli.library.hub.transfer import Observer
from chatcli.terminal.live import Abilities
from chatcli.terminal.sanitize import sanitize_line

_LINE_EVERY = 10.0  # seconds
_LINE_EVERY_SHARE = 0.25


class TransferView(Observer, Protocol):
    """Shows downloads while its block runs."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the screen as a transcript of what happened."""


def transfer_view(out: TextIO, environ: Mapping[str, str], *, color: bool, quiet: bool) -> TransferView:
    """The view that suits ``out``.

    Args:
        out: where progress goes, stderr.
        environ: ``TERM`` and ``NO_COLOR`` are obeyed.
        color: whether colours are wanted at all.
        quiet: only notes are shown.
    """
    abilities = Abilities.of(out, environ, color=color, plain=False)
    if abilities.escapes and not quiet:
        return BarView(out, colored=abilities.colored)
    return LineView(out, quiet=quiet)


@dataclass(slots=True)
class LineView:
    """Whole lines only: when a file begins and ends, and in between every quarter or ten seconds."""

    out: TextIO
    quiet: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _told: dict[RemoteFile, tuple[float, int]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Nothing to prepare."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing to tidy up."""

    def begin(self, file: RemoteFile, have: int) -> None:
        """Say what is fetched, or that it is here."""
        with self._lock:
            self._told[file] = (time.monotonic(), have)
            if have == file.size:
                self._line(f"{file.path}: {amount(file.size)} are here already")
            elif have:
                self._line(f"{file.path}: {amount(file.size)}, going on from {amount(have)}")
            else:
                self._line(f"{file.path}: {amount(file.size)}")

    def advance(self, file: RemoteFile, have: int) -> None:
        """Say how much there is, not too often."""
        with self._lock:
            then, before = self._told[file]
            now = time.monotonic()
            due = now - then >= _LINE_EVERY or have - before >= _LINE_EVERY_SHARE * file.size
            if not due or have == file.size:
                return
            rate = (have - before) / max(now - then, 1e-3)
            self._told[file] = (now, have)
            left = duration((file.size - have) / max(rate, 1.0))
            self._line(f"{file.path}: {100 * have // file.size} %, {amount(int(rate))}/s, {left} left")

    def end(self, file: RemoteFile) -> None:
        """Say that it is whole."""
        with self._lock:
            if self._told[file][1] != file.size:
                self._line(f"{file.path}: complete, checksum verified")

    def note(self, text: str) -> None:
        """Print it."""
        with self._lock:
            _print(self.out, text)

    def _line(self, text: str) -> None:
        if not self.quiet:
            _print(self.out, text)


class BarView:
    """A bar a file, with rate and remaining time."""

    def __init__(self, out: TextIO, *, colored: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TaskID,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.table import Column

        console = Console(file=out, force_terminal=True, no_color=not colored, highlight=False)
        self._progress = Progress(
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(ratio=2, no_wrap=True, overflow="ellipsis"),
            ),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            expand=True,
        )
        self._tasks: dict[RemoteFile, TaskID] = {}

    def __enter__(self) -> Self:
        """Begin to show."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the bars as they are."""
        self._progress.stop()

    def begin(self, file: RemoteFile, have: int) -> None:
        """A new bar; of a file that is here already a full one."""
        # Made with what is here: otherwise that would count as received in no time.
        self._tasks[file] = self._progress.add_task(
            sanitize_line(file.path.rpartition("/")[2]), total=file.size, completed=have
        )

    def advance(self, file: RemoteFile, have: int) -> None:
        """Let the bar grow."""
        self._progress.update(self._tasks[file], completed=have)

    def end(self, file: RemoteFile) -> None:
        """Fill it."""
        self._progress.update(self._tasks[file], completed=file.size)

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._progress.console.print(sanitize_line(text), markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """A time span to the second, the minute or the hour."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _print(out: TextIO, text: str) -> None:
    encoding = out.encoding or "utf-8"
    out.write(sanitize_line(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")
    out.flush()
