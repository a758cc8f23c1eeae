"""Two ways of terminals to take a new size: rows stay as they are (xterm), or lines are wrapped again."""

from typing import Any

import pyte
from pyte.screens import Char

_Line = list[Char]


class WindowScreen(pyte.HistoryScreen):  # type: ignore[misc]  # pyte has no types
    """A screen with a scrollback whose window can be dragged to another size.

    pyte itself drops rows from the top when it shrinks, needed or not, and does not keep them.

    Args:
        columns, rows: the size at first.
        rewraps: lines that the terminal wrapped are wrapped again.
    """

    def __init__(self, columns: int, rows: int, *, rewraps: bool) -> None:
        self.rewraps = rewraps
        self._wrapped: set[int] = set()  # ids of rows that go on in the next
        self._drawing = False
        super().__init__(columns, rows, history=10_000)

    def draw(self, data: str) -> None:
        """As in pyte; remembers which rows the terminal wrapped."""
        self._drawing = True
        super().draw(data)
        self._drawing = False

    def linefeed(self) -> None:
        """As in pyte."""
        if self._drawing:
            self._wrapped.add(id(self.buffer[self.cursor.y]))
        super().linefeed()

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        """As in pyte; a row whose end is erased does not go on in the next (so do xterm, VTE and kitty)."""
        super().erase_in_line(how, private)
        if how != 1:
            self._wrapped.discard(id(self.buffer[self.cursor.y]))

    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        """As in pyte, and as ``erase_in_line``; at the first cell as tmux, which keeps it."""
        if how == 0 and (self.cursor.x, self.cursor.y) == (0, 0):
            used = [y for y in range(self.lines) if _text(list(self.buffer[y].values()))]
            for y in range(max(used, default=-1) + 1):
                row = _Row(self.default_char, {})
                row.update(self.buffer[y])
                self.history.top.append(row)
        super().erase_in_display(how, *args, **kwargs)
        first = self.cursor.y if how == 0 else 0
        if how != 1:
            self._wrapped.difference_update(id(self.buffer[y]) for y in range(first, self.lines))

    def drag(self, columns: int, rows: int) -> None:
        """Take a new size."""
        lines, at = self._lines()
        rebuilt: list[tuple[_Line, bool]] = []
        cursor = 0
        for number, line in enumerate(lines):
            start = len(rebuilt)
            rebuilt += _wrapped(line, columns) if self.rewraps else [(line[:columns], False)]
            if number == at[0]:
                cursor = start + (min(at[1], max(0, len(line) - 1)) // columns if self.rewraps else 0)
        below = len(rebuilt) - 1 - cursor
        while rebuilt and len(rebuilt) > rows and below and not _text(rebuilt[-1][0]):
            rebuilt.pop()
            below -= 1
        top = max(0, min(cursor, len(rebuilt) - rows))
        column = self.cursor.x
        self.history.top.clear()
        self._wrapped.clear()
        super().resize(rows, columns)
        self.reset_buffer()
        for index, (line, goes_on) in enumerate(rebuilt[: top + rows]):
            row = self.buffer[index - top] if index >= top else _Row(self.default_char, {})
            row.update(enumerate(line))
            if index < top:
                self.history.top.append(row)
            if goes_on:
                self._wrapped.add(id(row))
        self.cursor.y = cursor - top
        self.cursor.x = min(column, columns - 1)

    def reset_buffer(self) -> None:
        """Clear all rows, without the modes."""
        self.buffer.clear()

    def _lines(self) -> tuple[list[_Line], tuple[int, int]]:
        """All lines, and the line and the offset at which the cursor stands."""
        rows: list[Any] = [*self.history.top, *(self.buffer[y] for y in range(self.lines))]
        here = len(self.history.top) + self.cursor.y
        last = max([here, *(i for i, row in enumerate(rows) if _text(list(row.values())))])
        lines: list[_Line] = []
        at = (0, 0)
        going_on = False
        for index, row in enumerate(rows[: last + 1]):
            width = max((x for x in row if row[x].data.strip()), default=-1) + 1
            goes_on = self.rewraps and id(row) in self._wrapped
            cells = [row[x] for x in range(self.columns if goes_on else width)]
            if going_on:
                if index == here:
                    at = (len(lines) - 1, len(lines[-1]))
                lines[-1].extend(cells)
            else:
                lines.append(cells)
                if index == here:
                    at = (len(lines) - 1, 0)
            going_on = goes_on
        return lines, at

    @property
    def scrollback(self) -> str:
        """Everything printed, the rows that scrolled off included; a line that was wrapped is one."""
        return "\n".join("".join(char.data for char in line).rstrip() for line in self._lines()[0])


class _Row(dict[int, Char]):
    def __init__(self, default: Char, cells: dict[int, Char]) -> None:
        super().__init__(cells)
        self.default = default

    def __missing__(self, key: int) -> Char:
        return self.default


def _text(cells: list[Char]) -> str:
    return "".join(char.data for char in cells).strip()


def _wrapped(line: _Line, columns: int) -> list[tuple[_Line, bool]]:
    pieces = [line[i : i + columns] for i in range(0, len(line), columns)] or [[]]
    return [(piece, index < len(pieces) - 1) for index, piece in enumerate(pieces)]
