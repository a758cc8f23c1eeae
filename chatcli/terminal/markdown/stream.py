"""Markdown that arrives in pieces and leaves as rows.

The text from the start of the last open block is parsed anew for each frame. Blocks before it are certain;
their rows are given away once, and their source is forgotten. Of the open block too, rows are given away as
early as they are certain, and at the latest when it is taller than the screen; what is left is then read as a
block that goes on.
"""

import re
from collections.abc import Sequence
from copy import copy

from chatcli.terminal.highlight import Highlighter
from chatcli.terminal.markdown.blocks import Leaf, inline, leaves
from chatcli.terminal.markdown.dialect import CONTINUED
from chatcli.terminal.markdown.paragraphs import cut_text, laid_out
from chatcli.terminal.rows import Row, cut, fold
from chatcli.terminal.tables import Cell, Grid
from chatcli.terminal.theme import PLAIN

_MARKS = " \t-+*_=#>`~|:"  # a line of these alone may still become anything
_TALL = 8  # rows of a paragraph that are laid out again for each frame
_MOST_SOURCE = 4_000  # characters of a block that are kept for the sake of unclosed markup


class MarkdownStream:
    """The rows of an answer in markdown, as far as they are certain, and those that are not.

    Args:
        unicode: the terminal can show bullets and lines beyond ASCII.
    """

    def __init__(self, *, unicode: bool = True) -> None:
        self._unicode = unicode
        self._source = ""  # of what has not been given away
        self._context = 0  # lines of it that only open the containers of the first block
        self._open = _Open(unicode)

    def feed(self, text: str) -> None:
        """Take the next piece, harmless already (``sanitize``)."""
        self._source += text

    def take(self, width: int, height: int) -> list[Row]:
        """Remove and return the rows that are certain.

        Args:
            width: cells of the screen.
            height: rows the open block may keep for itself; above it, rows are given away before they are
                certain.
        """
        complete = self._source.count("\n")
        found, rows = self._leaves(), []
        start = 0
        for leaf, following in zip(
            found[self._hidden(found) :], found[self._hidden(found) + 1 :], strict=False
        ):
            if following.start >= complete and following.start <= leaf.end:
                break  # its line may still become a part of this block
            rows += self._open.rows(leaf, width) + following.blank_after(leaf)
            self._open = _Open(self._unicode)
            start = found.index(following)
        if start:
            self._keep(found, found[start], [])
            found = self._leaves()
        shown = found[self._hidden(found) :]
        if len(shown) == 1:
            complete = self._source.count("\n") - shown[0].start
            given, first, lines = self._open.take(shown[0], width, height, complete)
            if given:
                self._keep(found, shown[0], first, lines)
                rows += given
        return rows

    def live(self, width: int) -> list[Row]:
        """The rows that may still change, as they look now."""
        found = self._leaves()
        found = found[self._hidden(found) :]
        opened, rows = self._open.copy(), []
        for before, leaf in zip([None, *found], found, strict=False):
            rows += [*(leaf.blank_after(before) if before else []), *opened.rows(leaf, width)]
            opened = _Open(self._unicode)
        return rows

    def finish(self, width: int) -> list[Row]:
        """Take everything that is left as complete and return its rows."""
        if not self._source.endswith("\n"):
            self._source += "\n"
        rows = self.live(width)
        self._source, self._context, self._open = "", 0, _Open(self._unicode)
        return rows

    def _leaves(self) -> list[Leaf]:
        line = self._source.rpartition("\n")[2]
        decided = self._source if line.strip(_MARKS) else self._source.removesuffix(line)
        return leaves(decided, unicode=self._unicode)

    def _hidden(self, found: Sequence[Leaf]) -> int:
        """How many blocks stand in the lines that only open containers."""
        return sum(1 for leaf in found if leaf.start < self._context)

    def _keep(self, found: Sequence[Leaf], leaf: Leaf, first: Sequence[str], given: int = 0) -> None:
        """Forget the source before a block, or the lines of it that are given away.

        Each container is opened again by an empty heading behind the markers it had.

        Args:
            first: lines to begin with, if the block goes on; they replace as many lines as are ``given``.
        """
        lines = self._source.split("\n")
        begun = bool(first) or bool(given)
        opening = sorted({box.line for box in leaf.inside if box.line < leaf.start + begun})
        heads = []
        for line in opening:
            at = next(
                (one.token.meta["at"] for one in found if one.start == line and "at" in one.token.meta), None
            )
            heads.append(lines[line] if at is None else self._prefix(lines, line, at) + "#")
        before = ""
        if begun:
            before = re.sub(r"[^>\t ]", " ", self._prefix(lines, leaf.start, leaf.token.meta["at"]))
        kept = lines[leaf.start + given :]
        self._source = "\n".join([*heads, *(before + line for line in first), *kept])
        self._context = len(heads)

    @staticmethod
    def _prefix(lines: Sequence[str], line: int, at: int) -> str:
        """What stands before a block in its first line."""
        return lines[line][: at - sum(len(before) + 1 for before in lines[:line])]


class _Open:
    """The block that is still open, of which rows may have been given away."""

    def __init__(self, unicode: bool) -> None:
        self._unicode = unicode
        self._begun = False
        self._inner = ""  # the opening line of a fence inside a fence
        self._tried = 0  # rows of a paragraph that could not be cut
        self._highlighter: Highlighter | None = None
        self._grid: Grid | None = None
        self._bodies = 0  # rows of a table that were given away

    def copy(self) -> "_Open":
        """A copy that can be drawn without changing this one."""
        twin = copy(self)
        twin._highlighter = copy(self._highlighter)
        return twin

    def rows(self, leaf: Leaf, width: int) -> list[Row]:
        """All rows that are left of the block."""
        if leaf.kind in {"fence", "code_block", "formula"}:
            rows = self._code(leaf, leaf.text.removesuffix("\n").split("\n") if leaf.text else [], width)
            if leaf.kind == "fence" and leaf.end - leaf.start > 1 + len(leaf.text.splitlines()):
                rows.append(Row(((leaf.token.markup, "frame"),)))
        elif leaf.kind == "table":
            rows = self._table(leaf, _cells(leaf)[2:], width)
        elif leaf.kind == "hr":
            rows = [Row((("─" * min(leaf.inner(width), 40), "frame"),))]
        else:
            pieces, breaks = laid_out(leaf, leaf.text, width)
            rows = [Row(cut(pieces, at.start, at.end), at.soft) for at in breaks]
        return self._placed(leaf, rows, width)

    def take(self, leaf: Leaf, width: int, height: int, complete: int) -> tuple[list[Row], list[str], int]:
        """The rows of the block that can be given away.

        Args:
            complete: lines of the block that are complete.

        Returns:
            The rows, the lines that the rest begins with, and how many lines of the source they replace.
        """
        if leaf.kind in {"fence", "code_block"}:
            rows, first, count = self._take_code(leaf, width, height, complete)
        elif leaf.kind == "table":
            body = _cells(leaf)[2:]
            done = min(len(body), max(0, complete - 2))
            if not done or (not self._begun and len(body) + 2 <= height):
                return [], [], 0
            rows, count = self._table(leaf, body[:done], width), 2 + done
            first = leaf.token.meta["lines"][:2]
        elif leaf.kind in {"paragraph", "heading"}:
            rows, first, count = self._take_text(leaf, width, height)
        else:
            return [], [], 0
        rows = self._placed(leaf, rows, width)
        self._begun = self._begun or bool(rows)
        return rows, first, count

    def _placed(self, leaf: Leaf, rows: Sequence[Row], width: int) -> list[Row]:
        return leaf.prefixed(rows, width, begun=self._begun)

    def _code(self, leaf: Leaf, lines: Sequence[str], width: int) -> list[Row]:
        inner, rows = leaf.inner(width), []
        if self._highlighter is None:
            info = leaf.token.info.split()
            self._highlighter = Highlighter(info[0] if info else "")
            if leaf.kind == "fence":
                rows += fold([((leaf.token.markup + leaf.token.info).rstrip().expandtabs(), "frame")], inner)
        for line in lines[bool(self._inner) :]:
            rows += fold(self._highlighter.line(line.expandtabs()), inner)
        return rows

    def _take_code(
        self, leaf: Leaf, width: int, height: int, complete: int
    ) -> tuple[list[Row], list[str], int]:
        """Every complete line; of the last, what overflows the screen."""
        fence = leaf.kind == "fence"
        lines = leaf.text.split("\n")
        closed = fence and leaf.end - leaf.start > 1 + len(leaf.text.splitlines())
        done = lines[: -1 if fence else -2]  # blank lines belong to indented code only if more of it comes
        if closed or complete < 1 or (len(done) <= bool(self._inner) and self._begun):
            return [], [], 0
        rows = self._code(leaf, done, width)
        inner = leaf.token.meta.get("inner", "")
        self._inner = "" if inner == lines[-1].strip() else inner  # that line is not complete yet
        opening = leaf.token.markup + leaf.token.info
        first = [opening, *([self._inner] if self._inner else [])] if fence else []
        return rows, first, len(done) + fence

    def _take_text(self, leaf: Leaf, width: int, height: int) -> tuple[list[Row], list[str], int]:
        """Rows up to a place where no markup is open; beyond the screen, up to any place."""
        pieces, breaks = laid_out(leaf, leaf.text, width)
        forced = len(breaks) > height or len(leaf.text) > _MOST_SOURCE
        table = "|" in leaf.text and "\n" not in leaf.text and not self._begun
        if not forced and (len(breaks) < _TALL or len(breaks) == self._tried or table):
            return [], [], 0
        count = len(breaks) - 2
        if forced and len(leaf.text) <= _MOST_SOURCE:
            count = len(breaks) - max(1, height // 2)
        found = cut_text(leaf, pieces, breaks, max(1, count), forced=forced)
        self._tried = len(breaks)
        if found is None:
            return [], [], 0
        head, rest = found
        head_pieces, head_breaks = laid_out(leaf, head, width)
        rows = [Row(cut(head_pieces, at.start, at.end), at.soft) for at in head_breaks]
        rows[-1] = Row(rows[-1].pieces)
        marker = leaf.token.markup + " " if leaf.kind == "heading" and leaf.token.markup[0] == "#" else ""
        self._tried = 0
        return (
            rows,
            [marker + CONTINUED + line if not n else line for n, line in enumerate(rest.split("\n"))],
            leaf.end - leaf.start,
        )

    def _table(self, leaf: Leaf, body: Sequence[Sequence[str]], width: int) -> list[Row]:
        lines = _cells(leaf)
        head = [_cell(text) for text in lines[0]]
        rows = [[_cell(text) for text in row] for row in body]
        shown: list[Row] = []
        if self._grid is None or self._grid.width != leaf.inner(width):
            fresh = self._grid is None
            sides = "".join({"::": "^", "-:": ">"}.get(text[0] + text[-1], "<") for text in lines[1])
            self._grid = Grid.of(
                head, rows, leaf.inner(width), alignments=sides, spare=self._begun, unicode=self._unicode
            )
            if fresh:
                shown += self._grid.top()
        for row in rows:
            self._grid = self._grid.holding(row)
            shown += self._grid.row(row, first=not self._bodies)
            self._bodies += 1
        return shown or [Row(tuple(piece for cell in head for piece in (*cell, (" ", PLAIN))))]


def _cells(leaf: Leaf) -> list[list[str]]:
    """The cells of each line of a table; surplus ones join the last, so that no word is lost."""
    from markdown_it.rules_block.table import escapedSplit

    rows: list[list[str]] = []
    for line in leaf.token.meta["lines"]:
        row = [cell.strip() for cell in escapedSplit(line.strip())]
        row = row[not row[0] : -1 if len(row) > 1 and not row[-1] else None]
        count = len(rows[0]) if rows else len(row)
        row += [""] * (count - len(row))
        rows.append([*row[: count - 1], " | ".join(row[count - 1 :])])
    return rows


def _cell(source: str) -> Cell:
    return inline(source, cell=True)[0]
