"""Draws rows on a terminal: finished ones once, unfinished ones below them again and again.

Between two drawings the cursor is parked, invisible, at the beginning of the first unfinished row. A terminal
that rewraps its lines when its window changes keeps the cursor on its character, and one that does not keeps
it on its row; either way everything from the cursor to the end of the screen is ours to erase, and nothing
above it is ever touched. While unfinished rows are drawn the terminal must not wrap, so that the way back up
is known even if the window changed a moment ago; finished rows may wrap, so that nothing of them can be cut
off.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO

from chatcli.terminal.rows import Row, ansi, cells
from chatcli.terminal.theme import PLAIN, Style

_ERASE_BELOW = "\x1b[J"
# At the beginning of a row, which may be the first of the screen: from there tmux would keep what is erased
# in its scrollback (scroll-on-clear), so it begins a cell later.
_ERASE_FROM_HERE = " \x1b[J\x1b[D\x1b[K"
_ERASE_TO_END_OF_LINE = "\x1b[K"
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
# Synchronized output: terminals that know it show the frame as a whole, the others ignore it.
_BEGIN_FRAME, _END_FRAME = "\x1b[?2026h", "\x1b[?2026l"

#: Columns and rows.
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Abilities:
    """What may be sent to an output.

    Attributes:
        escapes: escape sequences at all: styles, and moving the cursor.
        colored: colours.
        unicode: characters beyond ASCII.
    """

    escapes: bool
    colored: bool
    unicode: bool

    @classmethod
    def of(cls, out: TextIO, environ: Mapping[str, str], *, color: bool, plain: bool) -> "Abilities":
        """Those of ``out``: none on a pipe, on a dumb terminal and with ``plain``."""
        name = environ.get("TERM", "" if sys.platform != "win32" else "windows")
        capable = out.isatty() and name not in {"", "dumb", "unknown"} and not plain
        colored = capable and color and not environ.get("NO_COLOR")
        encoding = (out.encoding or "utf-8").lower().replace("-", "")
        return cls(capable, colored, encoding.startswith(("utf", "cp65001")))


def size_of(out: TextIO) -> Size:
    """The size of the terminal, now; 80 x 24 where there is none."""
    try:
        columns, rows = os.get_terminal_size(out.fileno())
    except (OSError, ValueError, AttributeError):
        return 80, 24
    return columns or 80, rows or 24


class LiveArea:
    """The unfinished rows at the end of the scrollback.

    Args:
        out: the terminal, or a file; without ``abilities.escapes`` only finished rows are written.
        abilities: what may be sent to it.
        size: its size, asked for before each drawing.
    """

    def __init__(self, out: TextIO, abilities: Abilities, size: Callable[[], Size]) -> None:
        self.abilities = abilities
        self._out = out
        self._size = size
        self._live = 0  # rows drawn below the cursor's
        self._joined = False  # the first of them goes on a finished row
        self._hidden = False

    @property
    def width(self) -> int:
        """Columns of the terminal, now."""
        return self._size()[0]

    @property
    def height(self) -> int:
        """Rows that may be unfinished: one row of what is finished stays in sight."""
        return max(1, self._size()[1] - 1)

    def draw(self, finished: Sequence[Row], live: Sequence[Row] = ()) -> None:
        """Print the ``finished`` rows for good, and the ``live`` ones, or their end, in place of those
        before."""
        if not self.abilities.escapes:
            self._write("".join(self._paint(row) + ("" if row.soft else "\n") for row in finished))
            return
        width, rows = self._size()
        shown = list(live)[-max(1, rows - 1) :] if live else []
        if not finished and not shown and not self._live:
            return
        parts = [_BEGIN_FRAME]
        if self._live and not self._joined:
            parts.append("\r")  # a key that was echoed moved the cursor
        if (shown or self._live) and not self._hidden:
            parts.append(_HIDE_CURSOR)
            self._hidden = True
        for row in finished:
            parts.append(self._erased(row, width, _ERASE_TO_END_OF_LINE))
            parts.append("" if row.soft else "\n")
        self._joined = finished[-1].soft if finished else self._joined
        if shown:
            parts.append(_NO_WRAP)
            for row in shown[:-1]:
                parts += [self._erased(row, width, _ERASE_TO_END_OF_LINE), "\n"]
            parts += [self._erased(shown[-1], width, _ERASE_BELOW, _ERASE_FROM_HERE), _WRAP, "\r"]
            if len(shown) > 1:
                parts.append(f"\x1b[{len(shown) - 1}A")
        else:
            parts.append(_ERASE_FROM_HERE)
        self._live = len(shown)
        self._write("".join((*parts, _END_FRAME)))

    def close(self) -> None:
        """Erase the unfinished rows and give the cursor back."""
        if self._live or self._hidden:
            self._write((_ERASE_FROM_HERE if self._live else "") + (_SHOW_CURSOR if self._hidden else ""))
        self._live, self._hidden = 0, False

    def suspend(self) -> None:
        """As ``close``, for a signal handler, which may have interrupted a write of ours."""
        text = (_WRAP + "\r" + _ERASE_FROM_HERE if self._live else "") + (
            _SHOW_CURSOR if self._hidden else ""
        )
        self._live, self._hidden = 0, False
        with suppress(OSError, ValueError):
            os.write(self._out.fileno(), text.encode())

    def raw(self, text: str, style: Style = PLAIN) -> None:
        """Write text, harmless already, at the cursor; the terminal wraps it. Not while there are live
        rows."""
        look = self.abilities
        self._write(ansi([(text, style)], styled=look.escapes, colored=look.colored))

    def _erased(self, row: Row, width: int, erase: str, before: str = "") -> str:
        """What draws a row over an older one: erasing behind it does not flicker, but would take the last
        character of a row that is full."""
        if 0 < row.width < width:
            return self._paint(row) + erase
        return (before or erase) + self._paint(row)

    def _paint(self, row: Row) -> str:
        return ansi(row.pieces, styled=self.abilities.escapes, colored=self.abilities.colored)

    def _write(self, text: str) -> None:
        if not text:
            return
        encoding = self._out.encoding or "utf-8"
        self._out.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self._out.flush()


def text_rows(text: str, style: Style = PLAIN) -> list[Row]:
    """A row a line of harmless text; longer ones are left for the terminal to wrap."""
    return [Row(((line.expandtabs(), style),)) for line in text.split("\n")]


def bar(share: float, width: int, *, unicode: bool) -> str:
    """A bar ``width`` cells wide of which ``share``, 0 to 1, is full."""
    full = round(max(0.0, min(1.0, share)) * width)
    filled, empty = ("█", "░") if unicode else ("#", ".")
    return filled * full + empty * (width - full)


def clipped(text: str, width: int) -> str:
    """As much of one line as fits ``width`` cells."""
    while text and cells(text) > width:
        text = text[:-1]
    return text
