"""How reading, copying and fetching of large files is shown: bars on a terminal, else a line now and then."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TextIO

from chatcli.terminal.bars import BarView, ProgressView, Sized
from chatcli.terminal.live import Abilities, LiveArea, size_of
from chatcli.terminal.prompt.keyboard import Keyboard
from chatcli.terminal.sanitize import sanitize_line
from chatcli.words import byte_size, duration

_LINE_EVERY = 10.0  # seconds
_LINE_EVERY_SHARE = 0.25
_SOONEST = 1.0  # seconds between two lines


def progress_view(
    out: TextIO,
    environ: Mapping[str, str],
    keys: IO[Any] | None,
    *,
    color: bool = True,
    quiet: bool = False,
    ended: str = "",
) -> ProgressView:
    """The view that suits ``out``.

    Args:
        out: where progress goes, stderr.
        environ: ``TERM`` and ``NO_COLOR`` are obeyed.
        keys: standard input, so that keys are not echoed into the bars.
        color: whether colours are wanted at all.
        quiet: only notes are shown.
        ended: what is said of a file that is done; '': nothing of a file is left on the screen, since whoever
            asked has a line of its own for it.
    """
    abilities = Abilities.of(out, environ, color=color, plain=False)
    if abilities.escapes and not quiet:
        return BarView(LiveArea(out, abilities, lambda: size_of(out)), Keyboard(keys), keeps=bool(ended))
    return LineView(out, quiet=quiet, ended=ended)


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    size: int


@contextmanager
def file_progress(view: ProgressView, file: Path, size: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show how far one file is; the block gets a function that takes the number of bytes done.

    Args:
        size: bytes of the whole. None: those of the file; an error of a file that is missing comes from
            whoever opens it.
    """
    if size is None:
        size = file.stat().st_size if file.is_file() else 0
    item = _File(file.name, size)
    view.begin(item, 0)
    yield lambda have: view.advance(item, have)
    view.end(item)


@dataclass(slots=True)
class LineView(ProgressView):
    """Whole lines only: when a file begins and ends, and in between every quarter or ten seconds."""

    out: TextIO
    quiet: bool = False
    ended: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _told: dict[Sized, tuple[float, int]] = field(default_factory=dict)

    def begin(self, file: Sized, have: int) -> None:
        """Say what is fetched, or that it is here."""
        with self._lock:
            self._told[file] = (time.monotonic(), have)
            if not self.ended:
                return
            if 0 < have == file.size:
                self._line(f"{file.path}: {byte_size(file.size)} are here already")
            elif have:
                self._line(f"{file.path}: {byte_size(file.size)}, going on from {byte_size(have)}")
            else:
                self._line(f"{file.path}: {byte_size(file.size)}")

    def advance(self, file: Sized, have: int) -> None:
        """Say how much there is, not too often."""
        with self._lock:
            then, before = self._told[file]
            now = time.monotonic()
            passed = now - then
            much = have - before >= _LINE_EVERY_SHARE * file.size and passed >= _SOONEST
            if not (much or passed >= _LINE_EVERY) or have == file.size:
                return
            rate = (have - before) / passed
            self._told[file] = (now, have)
            left = duration((file.size - have) / max(rate, 1.0))
            self._line(f"{file.path}: {100 * have // file.size} %, {byte_size(int(rate))}/s, {left} left")

    def end(self, file: Sized) -> None:
        """Say that it is whole."""
        with self._lock:
            if self.ended and not 0 < self._told[file][1] == file.size:
                self._line(f"{file.path}: {self.ended}")

    def note(self, text: str) -> None:
        """Print it."""
        with self._lock:
            self._print(text)

    def _line(self, text: str) -> None:
        if not self.quiet:
            self._print(text)

    def _print(self, text: str) -> None:
        encoding = self.out.encoding or "utf-8"
        self.out.write(sanitize_line(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")
        self.out.flush()
