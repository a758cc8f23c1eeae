"""The blocks of an answer as rows, each behind the bars and markers of its quotations and lists."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from markdown_it.rules_block.table import escapedSplit
from markdown_it.token import Token

from chatcli.terminal.highlight import Highlighter
from chatcli.terminal.markdown.dialect import CONTINUED, block_tokens, inline_tokens
from chatcli.terminal.rows import Piece, Row, cells, fold, wrap
from chatcli.terminal.sanitize import sanitize_line
from chatcli.terminal.tables import Grid
from chatcli.terminal.theme import PLAIN, Style

_NARROWEST = 10  # cells that a block keeps for itself, however deep it is nested
_BULLETS, _ASCII_BULLETS = ("• ", "◦ ", "▪ "), ("* ", "- ", "+ ")
_TASK = re.compile(r"\[([ xX])\] ")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_LEAVES = {"paragraph_open", "heading_open", "fence", "code_block", "hr", "formula", "table_open"}


@dataclass(slots=True)
class Container:
    """A quotation or an item of a list: its marker stands before the first row, a quotation's before each."""

    marker: str
    quote: bool
    fresh: bool = True  # no row of it has been drawn

    def before_row(self) -> Piece:
        """What stands before its next row."""
        shown = self.marker if self.fresh or self.quote else " " * cells(self.marker)
        self.fresh = False
        return shown, "frame" if self.quote else PLAIN


@dataclass(frozen=True, slots=True)
class BlockUnit:
    """A paragraph, a heading, a line of code, or a row of a table.

    Attributes:
        block: line of the source where its top-level block or item of a top-level list begins.
        start, end: lines of the innermost block.
        kind: type of the innermost block's token.
    """

    rows: Sequence[Row]
    block: int
    start: int
    end: int
    kind: str


class Blocks:
    """Draws the blocks of a text that grows. Remembers the colours of code and the columns of tables."""

    def __init__(self, *, unicode: bool) -> None:
        self._unicode = unicode
        self.highlighters: dict[int, Highlighter] = {}  # by the line of the source
        self.grids: dict[int, Grid] = {}

    def draw(
        self, source: str, width: int, height: int | None, *, hidden: int, follows: bool
    ) -> list[BlockUnit]:
        """The units of a text.

        Args:
            source: harmless already (``sanitize``).
            width: cells of the screen.
            height: rows of the screen; a table that is taller gets columns that need not change. None: the
                text is complete.
            hidden: so many units are not shown any more and need no rows.
            follows: there is text before the source.
        """
        units: list[BlockUnit] = []
        inside: list[Container] = []
        before: list[Container] = []
        block, end, drawn = 0, 0 if follows else len(source), 0
        tokens = block_tokens(source)
        for number, token in enumerate(tokens):
            start = token.map[0] if token.map else 0
            if (not token.level and token.nesting >= 0) or (
                token.level == 1 and token.type == "list_item_open"
            ):
                block = start
            if token.type in {"blockquote_open", "list_item_open"}:
                inside.append(Container(self._marker(token, inside), token.type == "blockquote_open"))
                opened = start
            empty = token.type == "list_item_close" and inside[-1].fresh
            if empty or (token.type in _LEAVES and token.map):
                text, end_here = token.content, opened + 1 if empty else token.map[1]  # type: ignore[index]
                if token.type in {"paragraph_open", "heading_open"}:
                    text = self._boxed(tokens[number + 1].content, token, inside)
                start = opened if empty else start
                shown, gap = _shown(inside, width), []
                if start > end:
                    both = [box for box, other in zip(before, inside, strict=False) if box is other]
                    while both and not both[-1].quote:
                        both.pop()
                    gap = [Row(tuple(box.before_row() for box in both))]
                room = max(1, width - sum(cells(box.marker) for box in shown))
                room_left = None if height is None else height - drawn
                for rows in self._leaf(token, text, start, room, room_left, hidden - len(units)):
                    placed = [Row((*_before(shown), *row.pieces), row.soft and not shown) for row in rows]
                    units.append(BlockUnit([*gap, *placed], block, start, end_here, token.type))
                    drawn, gap = drawn + len(placed), []
                for box in inside:
                    box.fresh = False
                before, end = list(inside), end_here
            if token.type in {"blockquote_close", "list_item_close"}:
                inside.pop()
        return units

    def _marker(self, token: Token, inside: Sequence[Container]) -> str:
        if token.type == "blockquote_open":
            return "│ " if self._unicode else "| "
        if token.info:
            return f"{token.info}{token.markup} "
        level = sum(1 for box in inside if not box.quote)
        return (_BULLETS if self._unicode else _ASCII_BULLETS)[level % 3]

    def _boxed(self, text: str, token: Token, inside: Sequence[Container]) -> str:
        """The text of a paragraph; the brackets of a task become its marker."""
        task = _TASK.match(text)
        if not (task and inside and inside[-1].fresh and self._unicode and token.type == "paragraph_open"):
            return text
        inside[-1].marker = "☐ " if task[1] == " " else "☑ "
        return text[task.end() :]

    def _leaf(
        self, token: Token, text: str, start: int, width: int, height: int | None, hidden: int
    ) -> Iterator[Sequence[Row]]:
        """The rows of each unit of a block without blocks inside."""
        if token.type == "table_open":
            yield from self._table(token, start, width, height)
        elif token.type in {"fence", "code_block", "formula"}:
            yield from self._code(token, text, start, width, hidden)
        elif token.type == "hr":
            yield [Row((("─" * min(width, 40), "frame"),))]
        else:
            style = {"heading_open": "title" if token.tag == "h1" else "heading"}.get(token.type, PLAIN)
            yield () if hidden > 0 else _paragraph(text, style, width)

    def _code(self, token: Token, text: str, start: int, width: int, hidden: int) -> Iterator[Sequence[Row]]:
        info = token.info.split()
        if start not in self.highlighters:
            self.highlighters[start] = Highlighter(info[0] if info else "")
        if token.type == "fence":
            yield fold([((token.markup + token.info).rstrip().expandtabs(), "frame")], width)
        lines = text.removesuffix("\n").expandtabs().split("\n") if text else []
        coloured = self.highlighters[start].lines(lines)
        skipped = hidden - (token.type == "fence")
        for number, pieces in enumerate(coloured):
            yield () if number < skipped else fold(pieces, width)
        assert token.map
        if token.type == "fence" and token.map[1] - token.map[0] > 1 + len(text.splitlines()):
            yield [Row(((token.markup, "frame"),))]

    def _table(self, token: Token, start: int, width: int, height: int | None) -> Iterator[Sequence[Row]]:
        head, sides, *body = _cells(token)
        names, rows = _row(head), [_row(line) for line in body]
        grid = self.grids.get(start)
        if grid is None or grid.width != width:
            aligned = "".join({"::": "^", "-:": ">"}.get(text[0] + text[-1], "<") for text in sides)
            grid = Grid.of(names, rows, width, alignments=aligned, unicode=self._unicode)
            if height is not None and len(grid.top()) + sum(len(grid.row(row)) for row in rows) > height:
                grid = Grid.of(names, rows, width, alignments=aligned, spare=True, unicode=self._unicode)
                self.grids[start] = grid
        top = grid.top()
        if not top and not rows:
            top = [Row(tuple(piece for cell in names for piece in (*cell, (" ", PLAIN))))]
        yield top
        for number, row in enumerate(rows):
            grid = grid.holding(row)
            yield grid.row(row, first=not number)


def _shown(inside: Sequence[Container], width: int) -> Sequence[Container]:
    """The containers; the outermost go where they would leave too little room."""
    start = 0
    while sum(cells(box.marker) for box in inside[start:]) > max(0, width - _NARROWEST):
        start += 1
    return inside[start:]


def _before(shown: Sequence[Container]) -> tuple[Piece, ...]:
    return tuple(box.before_row() for box in shown)


@lru_cache(maxsize=256)
def _paragraph(source: str, style: Style, width: int) -> list[Row]:
    return wrap(inline(source, style), width)


def _cells(token: Token) -> list[list[str]]:
    """The cells of each line of a table; surplus ones join the last, so that no word is lost."""
    rows: list[list[str]] = []
    for line in token.meta["lines"]:
        row = [cell.strip() for cell in escapedSplit(line.strip())]
        row = row[not row[0] : -1 if len(row) > 1 and not row[-1] else None]
        count = len(rows[0]) if rows else len(row)
        row += [""] * (count - len(row))
        rows.append([*row[: count - 1], " | ".join(row[count - 1 :])])
    return rows


def _row(texts: Sequence[str]) -> list[tuple[Piece, ...]]:
    return [inline(text, cell=True) for text in texts]


@lru_cache(maxsize=256)
def inline(source: str, style: Style = PLAIN, *, cell: bool = False) -> tuple[Piece, ...]:
    """The pieces of a paragraph, a heading or a cell of a table."""
    return tuple(_pieces(inline_tokens(source.replace("\t", " ")), style, cell))


def _pieces(tokens: Sequence[Token], style: Style, cell: bool) -> Iterator[Piece]:
    styles = [style]
    links: list[tuple[str, int]] = []
    shown = ""
    for token in tokens:
        name, text, extra = token.type.removesuffix("_open"), token.content, PLAIN
        if token.nesting > 0:
            styles.append(f"{styles[-1]} {name}".strip())
            if name == "link":
                links.append((_target(token), len(shown)))
            continue
        if token.nesting < 0:
            styles.pop()
            if name != "link_close":
                continue
            target, begin = links.pop()
            text, extra = _suffix(target, shown[begin:]), "target"
        elif name == "code_inline":
            extra = "code"
        elif name == "html_inline":
            text, extra = ("\n", PLAIN) if cell and _BREAK.fullmatch(text) else (text, "html")
        elif name == "text_special" and (text == "\ufffd" or text != sanitize_line(text)):
            text = token.markup  # a control character in disguise
        elif name in {"softbreak", "hardbreak"}:
            text = "\n"
        elif name == "image":
            yield from _pieces(token.children or (), f"{styles[-1]} link".strip(), cell)
            text, extra = _suffix(_target(token), token.content), "target"
        text = text.replace(CONTINUED, "")
        if text:
            shown += text
            yield text, f"{styles[-1]} {extra}".strip()


def _target(token: Token) -> str:
    title = f' "{token.attrs["title"]}"' if token.attrs.get("title") else ""
    return f"{token.attrs.get('href') or token.attrs.get('src') or ''}{title}"


def _suffix(target: str, shown: str) -> str:
    """The target of a link, unless its text is that already."""
    if not target or target == shown:
        return "" if shown else "()"
    return f" ({target})" if shown else f"({target})"
