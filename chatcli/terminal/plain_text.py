"""Text without markup that arrives in pieces and leaves as rows: reasoning, and answers on a plain
terminal."""

from chatcli.terminal.rows import Piece, Row, wrap
from chatcli.terminal.theme import Style


class WrappedLines:
    """Wrapped rows of plain text, in the same form as ``MarkdownStream``.

    Args:
        style: of the text.
        indent: stands before each row.
    """

    def __init__(self, style: Style, indent: Piece) -> None:
        self._style = style
        self._indent = indent
        self._lines = [""]  # the last is not complete

    def feed(self, text: str) -> None:
        """Take the next piece, harmless already (``sanitize``)."""
        first, *others = text.split("\n")
        self._lines[-1] += first
        self._lines += others

    def take(self, width: int, height: int) -> list[Row]:
        """Remove and return the rows that are certain; see ``MarkdownStream.take``."""
        *complete, last = self._lines
        rows = [row for line in complete for row in self._wrapped(line, width)]
        begun = self._wrapped(last, width)[:-1]
        while begun and begun[-1].soft and len(begun) < height:  # the word goes on
            begun.pop()
        for row in begun:
            last = last.removeprefix(row.text[len(self._indent[0]) :]).lstrip(" ")
        self._lines = [last]
        return [*rows, *(Row(row.pieces, row.soft and row is not begun[-1]) for row in begun)]

    def live(self, width: int) -> list[Row]:
        """The rows that may still change."""
        return self._wrapped(self._lines[-1], width) if self._lines[-1] else []

    def finish(self, width: int) -> list[Row]:
        """Take everything that is left as complete and return its rows."""
        rows = [*self.take(width, 1), *self.live(width)]
        self._lines = [""]
        return rows

    def _wrapped(self, line: str, width: int) -> list[Row]:
        room = max(1, width - len(self._indent[0]))
        rows = wrap([(line.replace("\t", " "), self._style)], room)
        if not self._indent[0]:
            return rows
        return [Row((self._indent, *row.pieces)) for row in rows]


class WholeLines:
    """Complete lines as they are, never a part of one: what a screen reader can read out."""

    def __init__(self) -> None:
        self._line = ""
        self._rows: list[Row] = []

    def feed(self, text: str) -> None:
        """Take the next piece, harmless already (``sanitize``)."""
        *lines, self._line = (self._line + text).split("\n")
        self._rows += [Row(((line, ""),)) for line in lines]

    def take(self, width: int, height: int) -> list[Row]:
        """Remove and return the complete lines; they are not wrapped."""
        rows, self._rows = self._rows, []
        return rows

    def live(self, width: int) -> list[Row]:
        """Nothing: an incomplete line is not shown."""
        return []

    def finish(self, width: int) -> list[Row]:
        """Take the last line as complete and return the rows that are left."""
        if self._line:
            self._rows.append(Row(((self._line, ""),)))
            self._line = ""
        return self.take(width, 1)
