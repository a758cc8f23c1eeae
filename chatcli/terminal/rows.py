"""Styled rows of a terminal: how wide text is, where it breaks, which bytes draw it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from typing import Any

from wcwidth import wcwidth

from chatcli.terminal.theme import PLAIN, Style, definition, sgr

#: Some text and its style.
Piece = tuple[str, Style]

_EMOJI_PRESENTATION = "\ufe0f"
_WORDS = re.compile(r"\n|[^\S\n]+|\S+")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the screen.

    Attributes:
        pieces: its text from left to right, harmless (``sanitize``), without newlines and tabs.
        soft: the row is full and its text goes on in the next one. Printed without a newline, so that the
        terminal
            wraps it: copying gives one line, and a link stays whole.
    """

    pieces: tuple[Piece, ...] = ()
    soft: bool = False

    @property
    def text(self) -> str:
        """The text without styles."""
        return "".join(text for text, _ in self.pieces)

    @property
    def width(self) -> int:
        """Cells it takes."""
        return cells(self.text)


@dataclass(frozen=True, slots=True)
class Break:
    """Where one row of a text begins and ends, as offsets into the text; ``soft`` as in ``Row``."""

    start: int
    end: int
    soft: bool = False


@lru_cache(maxsize=4096)
def _character_cells(character: str) -> int:
    return max(0, wcwidth(character))


def cells(text: str) -> int:
    """Cells that ``text`` takes at most.

    Terminals disagree about joined emoji; this counts their parts, so that a row may come out shorter than
    the screen but never longer.
    """
    if text.isascii():
        return len(text)
    return sum(map(_character_cells, text)) + text.count(_EMOJI_PRESENTATION)


def break_text(text: str, width: int) -> list[Break]:
    """Break text into rows of at most ``width`` cells: at newlines, at white space, between wide characters.

    White space at a break belongs to no row. A word that is wider than a row begins a row and is cut; all of
    its rows but the last are soft.
    """
    rows: list[Break] = []
    start = end = used = 0
    line_start = True
    for match in _WORDS.finditer(text):
        word = match[0]
        if word == "\n":
            rows.append(Break(start, end))
            start = end = match.end()
            used, line_start = 0, True
            continue
        if word.isspace():
            if line_start:
                end, used = match.end(), min(cells(word), max(0, width - 1))
            else:
                used += cells(word)
            continue
        for at, stop in _unbreakable(word, match.start()):
            size = cells(text[at:stop])
            if used + size > width and not line_start:
                rows.append(Break(start, end))
                start, used = at, 0
            elif used and used + size > width:  # only indentation before it
                start, used = at, 0
            line_start = False
            for cut in _folds(text, at, stop, width) if size > width else ():
                rows.append(Break(start, cut, soft=True))
                start, at, used = cut, cut, 0
            end, used = stop, used + cells(text[at:stop])
    rows.append(Break(start, end))
    return rows


def _unbreakable(word: str, offset: int) -> Iterable[tuple[int, int]]:
    """The parts of a word that must stay together: each wide character is one, with what combines with it."""
    if word.isascii():
        return [(offset, offset + len(word))]
    parts: list[tuple[int, int]] = []
    begin, base, joined = 0, 0, False
    for index, character in enumerate(word):
        size = _character_cells(character)
        if index > begin and size and not joined and 2 in (size, base):
            parts.append((offset + begin, offset + index))
            begin = index
        base, joined = size or base, character == "\u200d"
    parts.append((offset + begin, offset + len(word)))
    return parts


def _folds(text: str, start: int, stop: int, width: int) -> Iterable[int]:
    """Offsets at which a word wider than the row is cut; what is left after the last fits."""
    used = 0
    for index in range(start, stop):
        size = cells(text[index])
        if used and used + size > width:
            yield index
            used = 0
        used += size


def cut(pieces: Sequence[Piece], start: int, end: int) -> tuple[Piece, ...]:
    """The part of some pieces between two offsets into their joined text."""
    result: list[Piece] = []
    at = 0
    for text, style in pieces:
        low, high = max(start - at, 0), min(end - at, len(text))
        if low < high:
            result.append((text[low:high], style))
        at += len(text)
        if at >= end:
            break
    return tuple(result)


def wrap(pieces: Sequence[Piece], width: int) -> list[Row]:
    """Break styled text into rows of at most ``width`` cells."""
    text = "".join(part for part, _ in pieces)
    return [Row(cut(pieces, at.start, at.end), at.soft) for at in break_text(text, width)]


def fold(pieces: Sequence[Piece], width: int) -> list[Row]:
    """Cut styled text into rows exactly where they are full, as a terminal would; nothing is dropped."""
    text = "".join(part for part, _ in pieces)
    if cells(text) <= width:
        return [Row(tuple(pieces))]
    edges = [0, *_folds(text, 0, len(text), width), len(text)]
    last = len(edges) - 2
    return [Row(cut(pieces, edges[i], edges[i + 1]), soft=i < last) for i in range(last + 1)]


def pad(row: Row, width: int) -> tuple[Piece, ...]:
    """The pieces of a row, filled with spaces to ``width`` cells."""
    missing = width - row.width
    return (*row.pieces, (" " * missing, PLAIN)) if missing > 0 else row.pieces


def rendered(renderable: Any, width: int) -> list[Row]:
    """The rows of a rich renderable in ``width`` cells. Its text is harmless already (``sanitize``)."""
    console = _console()
    lines = console.render_lines(renderable, console.options.update(width=width), pad=False)
    return [
        Row(_stripped([(part.text, str(part.style) if part.style else PLAIN) for part in line if part.text]))
        for line in lines
    ]


def styled(pieces: Iterable[Piece]) -> Any:
    """Pieces as a rich text; nothing in them is read as markup."""
    from rich.text import Text

    return Text.assemble(*((text, definition(style)) for text, style in pieces), end="")


@lru_cache(maxsize=1)
def _console() -> Any:
    from rich.console import Console

    return Console(
        file=StringIO(),
        color_system="standard",
        force_terminal=True,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
        _environ={},
    )


def _stripped(pieces: list[Piece]) -> tuple[Piece, ...]:
    while pieces and not pieces[-1][0].strip(" "):
        pieces.pop()
    if pieces:
        pieces[-1] = (pieces[-1][0].rstrip(" "), pieces[-1][1])
    return tuple(pieces)


def ansi(pieces: Iterable[Piece], *, styled: bool, colored: bool) -> str:
    """The characters that draw some pieces.

    Args:
        styled: escape sequences may be used at all.
        colored: colours may be used.
    """
    parts = []
    for text, style in pieces:
        begin = sgr(style, colored=colored) if styled and style and text else ""
        parts.append(f"{begin}{text}\x1b[0m" if begin else text)
    return "".join(parts)
