"""A terminal in memory that live rows are drawn on, and whose window can be dragged."""

import io

import pyte

from tests.terminal.emulator import WindowScreen


class Window(io.StringIO):
    """What is written to it is seen on ``screen``."""

    encoding = "utf-8"

    def __init__(self, columns: int, rows: int, *, rewraps: bool) -> None:
        super().__init__()
        self.screen = WindowScreen(columns, rows, rewraps=rewraps)
        self._stream = pyte.Stream(self.screen)

    def isatty(self) -> bool:
        """It is one."""
        return True

    def write(self, text: str) -> int:
        """Show it."""
        self._stream.feed(text.replace("\n", "\r\n"))  # as the line discipline does
        return len(text)

    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return self.screen.columns, self.screen.lines
