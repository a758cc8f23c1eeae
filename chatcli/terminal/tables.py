"""The one writer of tables: columns as wide as they need, wrapped where the screen is narrow, and records
where it is too narrow for columns. Rich draws them; the widths are fixed here, since a table that streams
must not change what is printed already.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from chatcli.terminal.rows import Piece, Row, cells, rendered, styled, wrap
from chatcli.terminal.theme import PLAIN

_NARROWEST = 4  # cells of a column
_LONG_WORD = 12  # cells; a longer word may be cut
_GAPS = {True: 3, False: 2}  # cells between two columns, with a line or without

#: The styled text of one cell.
Cell = Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the columns of a table stand.

    Attributes:
        head: names of the columns; empty: they have none.
        alignments: a character of ``<^>`` a column.
        width: cells of the screen.
        widths: cells of each column; None: the screen is too narrow, rows become records.
        unicode: lines may be drawn with characters beyond ASCII.
        ruled: there are lines between the columns.
    """

    head: tuple[tuple[Piece, ...], ...]
    alignments: str
    width: int
    widths: tuple[int, ...] | None
    unicode: bool = True
    ruled: bool = True

    @classmethod
    def of(
        cls,
        head: Sequence[Cell],
        rows: Sequence[Sequence[Cell]],
        width: int,
        *,
        alignments: str = "",
        spare: bool = False,
        unicode: bool = True,
        ruled: bool = True,
    ) -> "Grid":
        """The grid for the rows that are known.

        Args:
            spare: room that is left is shared out, for the sake of rows that are not known yet.
        """
        bold = tuple(tuple((text, f"bold {style}".strip()) for text, style in cell) for cell in head)
        known = [*([head] if head else []), *rows]
        columns = [[_plain(row[i]) for row in known] for i in range(len(known[0]) if known else 0)]
        natural = [
            max(1, *(cells(line) for text in column for line in text.split("\n"))) for column in columns
        ]
        room = width - _GAPS[ruled] * (len(natural) - 1)
        words = [[cells(word) for text in column for word in text.split()] for column in columns]
        least = [min(max([_NARROWEST, *sizes]), _LONG_WORD) for sizes in words]
        widths: tuple[int, ...] | None = tuple(natural)
        if sum(natural) > room:
            widths = tuple(_share(natural, least, room)) if sum(least) <= room else None
        elif spare and natural:
            widths = tuple(size + (room - sum(natural)) // len(natural) for size in natural)
        sides = alignments.ljust(len(natural), "<")
        return cls(bold, sides, width, widths, unicode, ruled)

    def holding(self, row: Sequence[Cell]) -> "Grid":
        """The grid with columns as wide as the words of a row, if there is room for them."""
        if self.widths is None:
            return self
        words = [
            max([size, *map(cells, _plain(cell).split())])
            for cell, size in zip(row, self.widths, strict=True)
        ]
        fits = sum(words) + _GAPS[self.ruled] * (len(words) - 1) <= self.width
        return replace(self, widths=tuple(words)) if fits else self

    def top(self) -> list[Row]:
        """The names of the columns and the line below them; records have none."""
        if not self.head or self.widths is None:
            return []
        line, cross = ("─", "─┼─") if self.unicode else ("-", "-+-")
        rule = cross.join(line * size for size in self.widths)
        return [*_drawn(self, self.head), Row(((rule, "frame"),))]

    def row(self, row: Sequence[Cell], *, first: bool = False) -> list[Row]:
        """One row of the table; ``first`` spares a record the line that parts it from the one before."""
        if self.widths is not None:
            return list(_drawn(self, tuple(map(tuple, row))))
        rows = [] if first else [Row(((("─" if self.unicode else "-") * min(self.width, 10), "frame"),))]
        for name, value in zip(self.head or ((),) * len(row), row, strict=True):
            label = (*name, (": ", PLAIN)) if name else ()
            rows += wrap((*label, *value), self.width)
        return rows


@lru_cache(maxsize=128)
def _drawn(grid: Grid, row: tuple[tuple[Piece, ...], ...]) -> tuple[Row, ...]:
    """The rows of the screen that one row takes. A row that did not change is not drawn anew each frame."""
    from rich.table import Table

    table = Table.grid(padding=0)
    gap = (" │ " if grid.unicode else " | ") if grid.ruled else "  "
    shown = []
    assert grid.widths is not None
    sides = {"<": "left", "^": "center", ">": "right"}
    for place, (cell, size) in enumerate(zip(row, grid.widths, strict=True)):
        if place:
            table.add_column(width=len(gap))
        table.add_column(width=size, justify=sides[grid.alignments[place]], overflow="fold")  # type: ignore[arg-type]
        shown.append([r.pieces for r in wrap(cell, size)])
    height = max(map(len, shown))
    frame = styled([("\n".join([gap] * height), "frame")])
    line = []
    for place, column in enumerate(shown):
        if place:
            line.append(frame)
        line.append(
            styled(
                piece for at, row_ in enumerate(column) for piece in (*((("\n", ""),) if at else ()), *row_)
            )
        )
    table.add_row(*line)
    return tuple(rendered(table, grid.width))


def table(
    rows: Sequence[Sequence[Cell]],
    head: Sequence[Cell],
    width: int,
    *,
    alignments: str = "",
    unicode: bool = True,
    ruled: bool = True,
) -> list[Row]:
    """A table.

    Args:
        rows: each with as many cells as the others.
        head: names of the columns; empty: they have none.
        width: cells of the screen.
    """
    grid = Grid.of(head, rows, width, alignments=alignments, unicode=unicode, ruled=ruled)
    result = grid.top()
    for index, row in enumerate(rows):
        result += grid.row(row, first=index == 0)
    return result


def _plain(cell: Cell) -> str:
    return "".join(text for text, _ in cell)


def _share(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Give every column what it needs at least, and of the rest what it asks for, at most a fair share."""
    widths = [min(pair) for pair in zip(natural, least, strict=True)]
    room -= sum(widths)
    wanting = sorted(range(len(natural)), key=lambda i: natural[i] - widths[i])
    for done, column in enumerate(wanting):
        extra = min(natural[column] - widths[column], room // (len(wanting) - done))
        widths[column] += extra
        room -= extra
    return widths
