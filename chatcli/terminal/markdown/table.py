"""Tables in a terminal: columns as wide as they need, wrapped where the screen is narrow, records where it
is too narrow for columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chatcli.terminal.rows import BOLD, DIM, PLAIN, Piece, Row, cells, pad, wrap

MOST_COLUMNS = 40
_NARROWEST = 4  # cells of a column
_LONG_WORD = 12  # cells; a longer word may be cut
_SEPARATOR = " │ "
_DELIMITER_CELL = re.compile(r"\s*:?-+:?\s*")
_CELL_EDGE = re.compile(r"(?<!\\)\|")

#: The styled text of one cell.
Cell = tuple[Piece, ...]


def split_cells(line: str) -> tuple[str, ...]:
    """The cells of one line of a table; ``\\|`` does not separate."""
    text = line.strip().removeprefix("|")
    if text.endswith("|") and not text.endswith("\\|"):
        text = text[:-1]
    return tuple(cell.strip().replace("\\|", "|") for cell in _CELL_EDGE.split(text))


def delimiter_alignments(line: str) -> tuple[str, ...] | None:
    """What a line such as ``|---|:-:|--:|`` says, a character of ``<^>`` a column; None if it is not one."""
    if "-" not in line or not ("|" in line or ":" in line):
        return None
    text = line.strip().removeprefix("|").removesuffix("|")
    cells_ = text.split("|")
    if not all(_DELIMITER_CELL.fullmatch(cell) for cell in cells_):
        return None
    return tuple(
        "^" if cell.startswith(":") and cell.endswith(":") else ">" if cell.endswith(":") else "<"
        for cell in map(str.strip, cells_)
    )


def fit(cells_: Sequence[str], columns: int) -> tuple[str, ...]:
    """Exactly ``columns`` cells: missing ones are empty, surplus ones join the last, so that no word is
    lost."""
    padded = [*cells_, *[""] * (columns - len(cells_))]
    return (*padded[: columns - 1], " | ".join(padded[columns - 1 :]))


@dataclass(frozen=True, slots=True)
class Layout:
    """Widths of the columns in cells; None: the screen is too narrow, rows become records."""

    widths: tuple[int, ...] | None

    @classmethod
    def of(cls, rows: Sequence[Sequence[Cell]], width: int) -> "Layout":
        """The layout for the rows that are known, on a screen of ``width`` cells."""
        columns = [[_plain(row[i]) for row in rows] for i in range(len(rows[0]))]
        natural = [max([1, *map(cells, column)]) for column in columns]
        room = width - len(_SEPARATOR) * (len(natural) - 1)
        if sum(natural) <= room:
            return cls(tuple(natural))
        words = [[cells(word) for text in column for word in text.split()] for column in columns]
        least = [min(max([_NARROWEST, *sizes]), _LONG_WORD) for sizes in words]
        if sum(least) > room:
            return cls(None)
        return cls(tuple(_share(natural, least, room)))


def head_rows(row: Sequence[Cell], alignments: Sequence[str], layout: Layout) -> list[Row]:
    """The heading and the line below it; a table of records has none."""
    if layout.widths is None:
        return []
    rule = "─┼─".join("─" * width for width in layout.widths)
    return [*_in_columns([bold(cell) for cell in row], alignments, layout.widths), Row(((rule, DIM),))]


def body_rows(
    row: Sequence[Cell],
    head: Sequence[Cell],
    alignments: Sequence[str],
    layout: Layout,
    width: int,
    *,
    first: bool,
) -> list[Row]:
    """One row of the table; ``first`` spares a record the line that parts it from the one before."""
    if layout.widths is not None:
        return _in_columns(row, alignments, layout.widths)
    rows = [] if first else [Row((("─" * min(width, 10), DIM),))]
    for name, value in zip(head, row, strict=True):
        label = (*bold(name), (": ", PLAIN)) if name else ()
        rows += wrap((*label, *value), width)
    return rows


def bold(cell: Cell) -> Cell:
    """The cell of a heading."""
    return tuple((text, (*BOLD, *style)) for text, style in cell)


def _in_columns(line: Sequence[Cell], alignments: Sequence[str], widths: Sequence[int]) -> list[Row]:
    columns = [wrap(cell, width) for cell, width in zip(line, widths, strict=True)]
    rows = []
    for at in range(max(map(len, columns))):
        pieces: list[Piece] = []
        for place, (column, width) in enumerate(zip(columns, widths, strict=True)):
            if place:
                pieces.append((_SEPARATOR, DIM))
            row = column[at] if at < len(column) else Row()
            pieces += _aligned(row, width, alignments[place] if place < len(alignments) else "<")
        rows.append(Row(_without_trailing_space(pieces)))
    return rows


def _aligned(row: Row, width: int, alignment: str) -> Sequence[Piece]:
    missing = max(0, width - row.width)
    left = {"<": 0, "^": missing // 2, ">": missing}[alignment]
    return ((" " * left, PLAIN), *pad(row, width - left))


def _without_trailing_space(pieces: list[Piece]) -> tuple[Piece, ...]:
    while pieces and not pieces[-1][0].strip(" "):
        pieces.pop()
    return tuple(pieces)


def _plain(cell: Cell) -> str:
    return "".join(text for text, _ in cell)


def _share(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Give every column what it needs at least, and of the rest what it asks for, but no more than a fair
    share."""
    widths = [min(pair) for pair in zip(natural, least, strict=True)]
    room -= sum(widths)
    wanting = sorted(range(len(natural)), key=lambda i: natural[i] - widths[i])
    for done, column in enumerate(wanting):
        extra = min(natural[column] - widths[column], room // (len(wanting) - done))
        widths[column] += extra
        room -= extra
    return widths
