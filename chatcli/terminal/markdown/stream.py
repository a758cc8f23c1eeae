"""Markdown that arrives in pieces and leaves as rows.

Top-level blocks that are closed leave once, and their source is forgotten. The open block is drawn whole for
each frame. If it is taller than the screen, its first rows leave too; how many units (paragraphs, lines of
code, rows of tables) and letters have left is what tells, in every later frame, where the rest begins.
"""

import re
from collections.abc import Sequence

from chatcli.terminal.markdown.blocks import Blocks, BlockUnit, inline
from chatcli.terminal.markdown.dialect import CONTINUED
from chatcli.terminal.rows import Row, cut

_MARKS = " \t-+*_=#>`~|:"  # a line of these alone may still become anything
_LONGEST_HEAD = 500  # characters of a paragraph that have left and are kept for the sake of open markup

_PUNCTUATION = re.compile(r"[^\w\s]*")


class MarkdownStream:
    """The rows of an answer in markdown, as far as they are certain, and those that are not.

    Args:
        unicode: the terminal can show bullets and lines beyond ASCII.
    """

    def __init__(self, *, unicode: bool = True) -> None:
        self._unicode = unicode
        self._begin()

    def _begin(self) -> None:
        self._source = ""  # from the first block that is not closed
        self._follows = False  # there was a block before it
        self._blocks = Blocks(unicode=self._unicode)
        self._forget_given()

    def _forget_given(self) -> None:
        self._units = 0  # units that have left
        self._rows, self._letters = 0, ""  # what has left of the next one

    def feed(self, text: str) -> None:
        """Take the next piece, harmless already (``sanitize``)."""
        self._source += text

    def take(self, width: int, height: int) -> list[Row]:
        """Remove and return the rows that are certain.

        Args:
            width: cells of the screen.
            height: rows the open block may keep for itself; above it, rows leave before they are certain.
        """
        units = self._drawn(width, height)
        left = self._left(units)
        closed = self._closed(units)
        rows = [row for unit in left[:closed] for row in unit]
        if closed:
            rest = self._source.split("\n")[units[closed - 1].end :]
            self._source, self._follows = "\n".join(rest), True
            if self._units < closed:
                self._forget_given()
            else:
                self._units -= closed
            self._blocks = Blocks(unicode=self._unicode)
            units, left = units[closed:], left[closed:]
        rows += self._overflow(units, left, height)
        if units and not closed:
            self._shorten(units)
        return rows

    def live(self, width: int) -> list[Row]:
        """The rows that may still change, as they look now."""
        return [row for unit in self._left(self._drawn(width, None)) for row in unit]

    def finish(self, width: int) -> list[Row]:
        """Take everything that is left as complete and return its rows."""
        if not self._source.endswith("\n"):
            self._source += "\n"
        rows = self.live(width)
        self._begin()
        return rows

    def _drawn(self, width: int, height: int | None) -> list[BlockUnit]:
        line = self._source.rpartition("\n")[2]
        decided = self._source if line.strip(_MARKS) else self._source.removesuffix(line)
        return self._blocks.draw(decided, width, height, hidden=self._units, follows=self._follows)

    def _closed(self, units: Sequence[BlockUnit]) -> int:
        """How many units belong to blocks that nothing to come can change."""
        for number in range(len(units) - 1, 0, -1):
            if units[number - 1].block != units[number].block and self._are_apart(units, number):
                return number
        return 0

    def _are_apart(self, units: Sequence[BlockUnit], number: int) -> bool:
        """Whether a unit can no longer become a part of the one before."""
        before, unit = units[number - 1], units[number]
        same = unit.start == before.start
        return same or unit.start > before.end or unit.start < self._source.count("\n")

    def _left(self, units: Sequence[BlockUnit]) -> list[Sequence[Row]]:
        """The rows of each unit that have not left."""
        self._units = min(self._units, max(0, len(units) - 1))
        left: list[Sequence[Row]] = [unit.rows for unit in units]
        left[: self._units] = [()] * self._units
        for number in range(self._units, len(units)):
            rows = units[number].rows
            text = _letters(rows)
            if _letters(rows[: self._rows]) == self._letters:
                left[number] = rows[self._rows :]
                break
            if number + 1 < len(units) and self._letters.startswith(text):  # its end is another unit now
                left[number], self._units = (), number + 1
                self._rows, self._letters = 0, self._letters[len(text) :]
                continue
            # Its rows break elsewhere now: the screen is another, or markup has closed.
            self._letters = text[: _shared(self._letters, text)]
            left[number], self._rows = _without(rows, len(self._letters))
            break
        return left

    def _overflow(self, units: Sequence[BlockUnit], left: Sequence[Sequence[Row]], height: int) -> list[Row]:
        """The rows that are too many for the screen; rows of a table only whole, soft rows together."""
        over = sum(map(len, left)) - height
        given: list[Row] = []
        for number in range(self._units, len(units)):
            unit, rows = units[number], left[number]
            if over <= 0:
                break
            last = number + 1 == len(units)
            if len(rows) <= over and not last and self._are_apart(units, number + 1):
                given += rows
                over -= len(rows)
                self._units, self._rows, self._letters = self._units + 1, 0, ""
                continue
            count = 0 if unit.kind == "table_open" else min(over, len(rows) - last)
            while count and rows[count - 1].soft and len(rows) <= height:
                count -= 1
            if count:
                given += [*rows[: count - 1], Row(rows[count - 1].pieces)]
                self._rows += count
                self._letters += _letters(rows[:count])
            break
        return given

    def _shorten(self, units: Sequence[BlockUnit]) -> None:
        """Forget the source of what has left, where the rest can be read without it."""
        unit = units[0]
        lines = self._source.split("\n")
        if unit.kind in {"fence", "table_open"} and unit.start == unit.block and self._units > 2:
            info = lines[unit.start].lstrip("`~ ").split()
            if lines[unit.start][:1] in "`~|" and info[:1] not in (["markdown"], ["md"]):
                heads = unit.start + (2 if unit.kind == "table_open" else 1)
                gone = self._units - 2
                self._source = "\n".join([*lines[:heads], *lines[heads + gone :]])
                self._units = 2
                for highlighter in self._blocks.highlighters.values():
                    highlighter.forget(gone)
        elif unit.kind == "paragraph_open" and unit.start == unit.block and len(units) == 1 and self._rows:
            at = _offset(self._source, self._letters)
            at += len(_PUNCTUATION.match(self._source, at)[0])  # type: ignore[index]
            if at > _LONGEST_HEAD or _is_whole(self._source, at, unit.rows[: self._rows]):
                self._source = CONTINUED + self._source[at:].lstrip()
                self._follows = False
                self._forget_given()


def _letters(rows: Sequence[Row]) -> str:
    """What is the same however the rows break and whether markup has closed."""
    return "".join(filter(str.isalnum, "".join(row.text for row in rows)))


def _without(rows: Sequence[Row], count: int) -> tuple[list[Row], int]:
    """The rows without the first letters, and how many rows went whole."""
    for number, row in enumerate(rows):
        size = len(_letters([row]))
        if count < size:
            at = _offset(row.text, _letters([row])[:count])
            rest = row.text[at:]
            at += len(rest) - len(rest.lstrip()) if count else 0
            return [Row(cut(row.pieces, at, len(row.text)), row.soft), *rows[number + 1 :]], number
        count -= size
        if not count:
            return list(rows[number + 1 :]), number + 1
    return [], len(rows)


def _shared(one: str, other: str) -> int:
    """How many letters are the same in both, from the first."""
    differing = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))


def _is_whole(source: str, at: int, rows: Sequence[Row]) -> bool:
    """Whether a paragraph can be cut there: its head alone looks as it did, and no markup is open in it."""
    head = source[:at]
    shown = "".join(text for text, _ in inline(head)), "".join(row.text for row in rows)
    alike = "".join(shown[0].split()) == "".join(shown[1].split())
    open_marks = any(head.count(mark) % 2 for mark in ("*", "**", "`", "~~", "$"))
    return bool(at) and alike and not open_marks and head.count("[") == head.count("]")


def _offset(text: str, letters: str) -> int:
    """Where the text goes on after its first letters; 0 if they are others."""
    at = 0
    for letter in letters:
        while at < len(text) and not text[at].isalnum():
            at += 1
        if at >= len(text) or text[at] != letter:
            return 0
        at += 1
    return at if at < len(text) else 0
