"""The blocks a terminal shows: each gives away its finished rows as early as they are certain.

A block is filled by ``parser.py``. Its ``take`` returns the rows that no text still to come can change and
forgets their source; ``rest`` returns all that is left. So what a block holds, and what one more token
costs, does not grow with the length of the answer.
"""

import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Self

from chatcli.terminal.markdown.highlight import Highlighter
from chatcli.terminal.markdown.inline import Inline, parse, verbatim
from chatcli.terminal.markdown.table import Cell, Layout, body_rows, bold, fit, head_rows
from chatcli.terminal.rows import (
    BOLD,
    DIM,
    PLAIN,
    UNDERLINE,
    Break,
    Piece,
    Row,
    Style,
    break_text,
    cells,
    cut,
    fold,
)

_WORD = re.compile(r"\S+")
_NARROWEST = 10  # cells that a block keeps for itself, however deep it is nested
_MOST_SOURCE = 4_000  # characters of a paragraph that are kept for the sake of unclosed markup


@dataclass(slots=True)
class Prefix:
    """What stands before each row of a block: bars of quotations, markers and indents of lists.

    Attributes:
        first: before its first row, outermost container first.
        rest: before the others.
    """

    first: tuple[Piece, ...] = ()
    rest: tuple[Piece, ...] = ()

    def clipped(self, width: int) -> "Prefix":
        """Without its outermost parts, if they would leave a block less than it needs."""
        room = max(0, width - _NARROWEST)
        return Prefix(_last(self.first, room), _last(self.rest, room))


def _last(pieces: tuple[Piece, ...], room: int) -> tuple[Piece, ...]:
    while pieces and sum(cells(text) for text, _ in pieces) > room:
        pieces = pieces[1:]
    return pieces


@dataclass(slots=True)
class Block:
    """A block without rows of its own, such as a blank line; the base of the others.

    Attributes:
        prefix: what stands before its rows.
        begun: its first row has been given away.
    """

    prefix: Prefix = field(default_factory=Prefix)
    begun: bool = False

    def take(self, width: int, height: int) -> list[Row]:
        """Remove and return the rows that are certain.

        Args:
            width: cells of the screen.
            height: rows the block may keep for itself; above it, rows are given away before they are certain.
        """
        return []

    def rest(self, width: int) -> list[Row]:
        """All rows that are left; the block is complete, or looked at as if it were."""
        return self._prefixed([Row()], width)

    def copy(self) -> Self:
        """A copy that can be filled and emptied without touching this one."""
        return copy(self)

    def _inner(self, width: int) -> int:
        prefix = self.prefix.clipped(width)
        used = max(sum(cells(text) for text, _ in side) for side in (prefix.first, prefix.rest))
        return max(1, width - used)

    def _prefixed(self, rows: Sequence[Row], width: int) -> list[Row]:
        """Put the prefix before rows, and remember that there were some."""
        prefix = self.prefix.clipped(width)
        result = []
        for row in rows:
            before = prefix.rest if self.begun else prefix.first
            self.begun = True
            result.append(Row((*before, *row.pieces), row.soft and not before and not prefix.rest))
        return result


@dataclass(slots=True)
class Rule(Block):
    """A thematic break."""

    def rest(self, width: int) -> list[Row]:
        """A line across."""
        return self._prefixed([Row((("─" * min(self._inner(width), 40), DIM),))], width)


@dataclass(slots=True)
class Text(Block):
    """A paragraph or a heading.

    Attributes:
        source: its text that has not been given away.
        level: of a heading, 1 to 6; 0: a paragraph.
        verbatim: there is no markup in it.
        style: of all of it.
        held: nothing may be given away yet, since the next line may make it something else.
    """

    source: str = ""
    level: int = 0
    verbatim: bool = False
    style: Style = PLAIN
    held: bool = False

    def take(self, width: int, height: int) -> list[Row]:
        """All rows but the last, up to the first markup that is still open."""
        if self.held:
            return []
        inline, pieces, breaks = self._laid_out(width)
        text = "".join(part for part, _ in pieces)
        count = len(breaks) - 1
        forced = 0
        if len(breaks) > height:
            forced = len(breaks) - max(1, height // 2)
        if len(self.source) > _MOST_SOURCE:
            forced = max(forced, count)
        while count > forced and not self._certain(inline, text, breaks, count):
            count -= 1
        if count <= 0:
            return []
        where = inline.cut(breaks[count].start)
        self.source = where.marks + self.source[where.offset :].lstrip(" ")
        rows = [Row(cut(pieces, at.start, at.end), at.soft) for at in breaks[:count]]
        if rows[-1].soft:
            rows[-1] = Row(rows[-1].pieces)
        return self._prefixed(rows, width)

    def rest(self, width: int) -> list[Row]:
        """The rows that are left."""
        _, pieces, breaks = self._laid_out(width)
        return self._prefixed([Row(cut(pieces, at.start, at.end), at.soft) for at in breaks], width)

    def _laid_out(self, width: int) -> tuple[Inline, list[Piece], list[Break]]:
        inline = verbatim(self.source) if self.verbatim else parse(self.source)
        style = (*BOLD, *UNDERLINE) if self.level == 1 else BOLD if self.level else self.style
        pieces = [(span.text.replace("\t", " "), (*style, *span.style)) for span in inline.spans]
        text = "".join(part for part, _ in pieces)
        return inline, pieces, break_text(text, self._inner(width))

    @staticmethod
    def _certain(inline: Inline, text: str, breaks: Sequence[Break], count: int) -> bool:
        """Whether the first ``count`` rows stay as they are, whatever comes."""
        start = breaks[count].start
        where = inline.cut(start)
        if breaks[count - 1].soft or not where.clean or where.offset > inline.open:
            return False
        if text[start - 1] == "\n":
            return True
        word = _WORD.match(text, start)  # the row ends where it does since this word did not fit
        return word is None or inline.cut(word.end()).offset <= inline.open


@dataclass(slots=True)
class Code(Block):
    """A code block, fenced or indented.

    Attributes:
        fence: characters that opened it; empty: it is indented.
        indent: columns the fence is indented by.
        lines: complete lines that have not been given away.
        partial: the line that is still coming.
        marker, closing: the lines of its fences, until they are given away.
        blanks: blank lines after the last, which belong to indented code only if more of it comes.
    """

    fence: str = ""
    indent: int = 0
    highlighter: Highlighter = field(default_factory=lambda: Highlighter(""))
    lines: tuple[str, ...] = ()
    partial: str = ""
    marker: str = ""
    closing: str = ""
    blanks: int = 0

    def take(self, width: int, height: int) -> list[Row]:
        """Every complete line; of the last, what overflows the screen."""
        rows = self._complete(width)
        inner = self._inner(width)
        if cells(self.partial) > inner * height:
            folded = fold([(self.partial, PLAIN)], inner)
            given = folded[: -max(1, height // 2)]
            self.partial = self.partial[sum(len(row.text) for row in given) :]
            rows += self._prefixed([Row(row.pieces) for row in given], width)
        return rows

    def rest(self, width: int) -> list[Row]:
        """The rows that are left, with the line that is still coming."""
        rows = self._complete(width)
        if self.partial:
            rows += self._prefixed(fold(self.highlighter.preview(self.partial), self._inner(width)), width)
        return rows

    def copy(self) -> Self:
        """As ``Block.copy``."""
        twin = copy(self)
        twin.highlighter = copy(self.highlighter)
        return twin

    def _complete(self, width: int) -> list[Row]:
        inner = self._inner(width)
        rows: list[Row] = []
        if self.marker:
            rows += self._prefixed(fold([(self.marker, DIM)], inner), width)
            self.marker = ""
        for line in self.lines:
            rows += self._prefixed(fold(self.highlighter.line(line), inner), width)
        self.lines = ()
        if self.closing:
            rows += self._prefixed([Row(((self.closing, DIM),))], width)
            self.closing = ""
        return rows


@dataclass(slots=True)
class Table(Block):
    """A table.

    Attributes:
        head: cells of its first row.
        alignments: as ``table.delimiter_alignments``.
        body: rows that have not been given away.
        layout: fixed as soon as the first rows were given away, with the width of the screen it is for.
    """

    head: tuple[str, ...] = ()
    alignments: tuple[str, ...] = ()
    body: tuple[tuple[str, ...], ...] = ()
    layout: tuple[Layout, int] | None = None
    rows_given: bool = False

    def take(self, width: int, height: int) -> list[Row]:
        """Nothing, so that the columns can still find their widths, until the table overflows the screen.

        From then on, each complete row.
        """
        if self.layout is None and len(self.body) + 2 <= height:
            return []
        return self._given(width)

    def rest(self, width: int) -> list[Row]:
        """The rows that are left."""
        return self._given(width)

    def _given(self, width: int) -> list[Row]:
        inner = self._inner(width)
        head = _cells(self.head)
        body = [_cells(fit(row, len(head))) for row in self.body]
        rows: list[Row] = []
        if self.layout is None or self.layout[1] != inner:
            layout = Layout.of([head, *body], inner)
            if self.layout is None:
                rows += head_rows(head, self.alignments, layout)
            self.layout = (layout, inner)
        layout = self.layout[0]
        for row in body:
            rows += body_rows(row, head, self.alignments, layout, inner, first=not self.rows_given)
            self.rows_given = True
        self.body = ()
        if not rows and not self.begun:  # records, of which none has come
            rows = [Row(tuple(piece for cell in head for piece in (*bold(cell), (" ", PLAIN))))]
        return self._prefixed(rows, width)


def _cells(row: Sequence[str]) -> tuple[Cell, ...]:
    return tuple(tuple((span.text, span.style) for span in parse(text).spans) for text in row)
