"""The blocks of an answer, one after the other, each with the bars and markers of the quotations and lists
that it stands in."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from markdown_it.token import Token

from chatcli.terminal.markdown.dialect import CONTINUED, dialect
from chatcli.terminal.rows import Piece, Row, cells
from chatcli.terminal.sanitize import sanitize_line
from chatcli.terminal.theme import PLAIN, Style

_NARROWEST = 10  # cells that a block keeps for itself, however deep it is nested
_BULLETS, _ASCII_BULLETS = ("• ", "◦ ", "▪ "), ("* ", "- ", "+ ")
_TASK = re.compile(r"\[([ xX])\] ")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
# Text that what is still to come may yet make a code span, a formula, a link or a tag of.
_MAY_BECOME = re.compile(r"`|\$|\\[(\[]|<!--|\[[^\]]*\Z|\]\([^)]*\Z|<[^>]*\Z")


@dataclass(frozen=True, slots=True)
class Container:
    """A quotation or an item of a list.

    Attributes:
        line: of the source, where it begins.
        marker: what stands before its first row; a quotation's stands before each.
        quote: it is a quotation.
    """

    line: int
    marker: str
    quote: bool

    def before(self, *, first: bool) -> Piece:
        """What stands before a row of it."""
        shown = self.marker if first or self.quote else " " * cells(self.marker)
        return shown, "frame" if self.quote else PLAIN


@dataclass(frozen=True, slots=True)
class Leaf:
    """A block without blocks inside.

    Attributes:
        kind: the type of its token.
        token: its first token; of an empty item the item's.
        start, end: its lines in the source.
        inside: the containers, outermost first.
        fresh: how many of them have their markers before this block.
        text: source of what is in it.
    """

    kind: str
    token: Token
    start: int
    end: int
    inside: tuple[Container, ...] = ()
    fresh: frozenset[Container] = field(default_factory=frozenset)
    text: str = ""

    def prefixed(self, rows: Sequence[Row], width: int, *, begun: bool = False) -> list[Row]:
        """The rows behind the markers of the containers; without those of rows given away before."""
        result = []
        for number, row in enumerate(rows):
            first = not number and not begun
            before = [box.before(first=first and box in self.fresh) for box in self._shown(width)]
            result.append(Row((*before, *row.pieces), row.soft and not before))
        return result

    def inner(self, width: int) -> int:
        """Cells of its own rows."""
        return max(1, width - sum(cells(box.marker) for box in self._shown(width)))

    def _shown(self, width: int) -> Sequence[Container]:
        """The containers; the outermost go where they would leave too little room."""
        start = 0
        while sum(cells(box.marker) for box in self.inside[start:]) > max(0, width - _NARROWEST):
            start += 1
        return self.inside[start:]

    def blank_after(self, before: "Leaf") -> list[Row]:
        """The empty row between the block before it and this one, if the source has one."""
        if self.start <= before.end:
            return []
        both = [one for one, other in zip(before.inside, self.inside, strict=False) if one == other]
        while both and not both[-1].quote:
            both.pop()
        return [Row(tuple(box.before(first=False) for box in both))]


def leaves(source: str, *, unicode: bool = True) -> list[Leaf]:
    """The blocks of a text, harmless already (``sanitize``)."""
    tokens: list[Token] = []
    dialect().block.parse(source, dialect(), {}, tokens)
    found: list[Leaf] = []
    inside: list[Container] = []
    fresh: set[Container] = set()
    for token, following in zip_longest(tokens, tokens[1:]):
        kind, start = token.type.removesuffix("_open"), token.map[0] if token.map else 0
        if kind in {"blockquote", "list_item"}:
            inside.append(Container(start, _marker(token, inside, unicode), kind == "blockquote"))
            fresh.add(inside[-1])
        elif token.type == "list_item_close" and inside[-1] in fresh:
            found.append(
                Leaf("empty", token, inside[-1].line, inside[-1].line + 1, tuple(inside), frozenset(fresh))
            )
            fresh.clear()
        elif kind in {"paragraph", "heading", "fence", "code_block", "hr", "formula", "table"} and token.map:
            text = following.content if following and kind in {"paragraph", "heading"} else token.content
            if (
                kind == "paragraph"
                and inside
                and inside[-1] in fresh
                and (task := _TASK.match(text))
                and unicode
            ):
                text = text[task.end() :]
                box = replace(inside[-1], marker="☐ " if task[1] == " " else "☑ ")
                fresh = {box if one == inside[-1] else one for one in fresh}
                inside[-1] = box
            found.append(Leaf(kind, token, start, token.map[1], tuple(inside), frozenset(fresh), text))
            fresh.clear()
        if token.type in {"blockquote_close", "list_item_close"}:
            fresh.discard(inside.pop())
    return found


def _marker(token: Token, inside: Sequence[Container], unicode: bool) -> str:
    if token.type == "blockquote_open":
        return "│ " if unicode else "| "
    if token.info:
        return f"{token.info}{token.markup} "
    level = sum(1 for box in inside if not box.quote)
    return (_BULLETS if unicode else _ASCII_BULLETS)[level % 3]


def inline(source: str, style: Style = PLAIN, *, cell: bool = False) -> tuple[tuple[Piece, ...], str | None]:
    """The pieces of a paragraph, and the delimiters that are open at its end; None if other markup may be."""
    env: dict[str, str] = {}
    tokens: list[Token] = []
    dialect().inline.parse(source.replace("\t", " "), dialect(), env, tokens)
    pieces = tuple(_pieces(tokens, style, cell))
    literal = "".join(token.content if token.type == "text" else " " for token in tokens)
    return pieces, None if _MAY_BECOME.search(literal) else env.get("open", "")


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
