"""Text without markup that arrives in pieces and leaves as rows: reasoning, and answers on a plain
terminal."""

from chatcli.terminal.markdown.blocks import Block, Prefix, Text
from chatcli.terminal.rows import Piece, Row, Style


class WrappedLines:
    """Wrapped rows of plain text, in the same form as ``MarkdownStream``.

    Args:
        style: of the text.
        indent: stands before each row.
    """

    def __init__(self, style: Style, indent: Piece) -> None:
        self._style = style
        self._prefix = Prefix((indent,), (indent,))
        self._complete: list[Block] = []
        self._last = self._new_line()

    def feed(self, text: str) -> None:
        """Take the next piece, harmless already (``sanitize``)."""
        first, *others = text.split("\n")
        self._last.source += first
        for line in others:
            self._complete.append(self._last)
            self._last = self._new_line()
            self._last.source = line

    def take(self, width: int, height: int) -> list[Row]:
        """Remove and return the rows that are certain; see ``Block.take``."""
        rows = [row for block in self._complete for row in block.rest(width)]
        self._complete.clear()
        return rows + self._last.take(width, height)

    def live(self, width: int) -> list[Row]:
        """The rows that may still change."""
        return self._last.copy().rest(width) if self._last.source else []

    def finish(self, width: int) -> list[Row]:
        """Take everything that is left as complete and return its rows."""
        rows = self.take(width, 1)
        if self._last.source:
            rows += self._last.rest(width)
        self._last = self._new_line()
        return rows

    def _new_line(self) -> Text:
        return Text(self._prefix, verbatim=True, style=self._style)


class WholeLines:
    """Complete lines as they are, never a part of one: what a screen reader can read out."""

    def __init__(self) -> None:
        self._line = ""
        self._rows: list[Row] = []

    def feed(self, text: str) -> None:
        """Take the next piece, harmless already (``sanitize``)."""
        *lines, self._line = (self._line + text).split("\n")
        self._rows += [Row(((line, ()),)) for line in lines]

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
            self._rows.append(Row(((self._line, ()),)))
            self._line = ""
        return self.take(width, 1)
