"""Two answers as they are seen while both arrive: in columns, or one below the other where it is narrow.

Neither may show which model it is from: what is shown of one is never ahead of what has come of the other,
so that nobody sees which is faster or which model had to be loaded first; reasoning is not shown at all.
"""

import time
from collections.abc import Callable
from itertools import zip_longest

from chatcli.engine.base import Event, Finished, TextDelta
from chatcli.terminal.answer import FRAME, PATIENCE, Rows, spinner
from chatcli.terminal.live import LiveArea, clipped
from chatcli.terminal.plain_text import WholeLines, WrappedLines
from chatcli.terminal.rows import Row, cells, pad
from chatcli.terminal.sanitize import sanitize
from chatcli.terminal.theme import BOLD, DIM, PLAIN

#: Between two columns.
GAP = " │ ", " | "
_NARROWEST_COLUMN = 30  # cells, as for answers that are there already


class BallotView:
    """Shows two answers while they arrive."""

    def __init__(
        self,
        area: LiveArea,
        titles: tuple[str, str],
        *,
        markdown: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._area = area
        self._clock = clock
        self._began = self._drawn = clock()
        column = (area.width - cells(GAP[0])) // 2
        escapes = area.abilities.escapes
        self._beside = escapes and column >= _NARROWEST_COLUMN
        self._width = column if self._beside else area.width
        self._sides = tuple(_Side(title, self._rows(markdown)) for title in titles)

    def take(self, side: int, event: Event) -> None:
        """Something happened to the left (0) or to the right (1) answer; drawn with the next frame."""
        if isinstance(event, TextDelta):
            self._sides[side].come += event.text
        elif isinstance(event, Finished):
            self._sides[side].ended = True

    def refresh(self, *, at_once: bool = False) -> None:
        """Draw, if a frame is due."""
        now = self._clock()
        if not at_once and now - self._drawn < FRAME:
            return
        self._drawn = now
        self._release()
        finished, live = self._paired() if self._beside else self._stacked()
        if self._area.abilities.escapes:
            live += self._wait_row(now)
        self._area.draw(finished, live)

    def finish(self) -> None:
        """Draw what is left, for good. Both have ended, or nobody waits for them any more."""
        for side in self._sides:
            side.ended = True
        self._release()
        finished, _ = self._paired() if self._beside else self._stacked()
        self._area.draw(finished)
        self._area.close()

    def suspend(self) -> None:
        """Give the screen away, in a signal handler."""
        self._area.suspend()

    def _release(self) -> None:
        """Show as much of each as has come of both."""
        growing = [len(side.come) for side in self._sides if not side.ended]
        for side in self._sides:
            side.release(min(growing, default=len(side.come)))
            if side.shown == len(side.come) and side.ended:
                side.close(self._width)
            else:
                side.ready += side.rows.take(self._width, self._area.height)

    def _paired(self) -> tuple[list[Row], list[Row]]:
        """Rows of both columns that are certain, and those that are not."""
        left, right = self._sides
        certain = min(left.certain, right.certain)
        if left.closed and right.closed:
            certain = max(len(left.ready), len(right.ready))
        done = [self._beside_each_other(*(side.row(n) for side in self._sides)) for n in range(certain)]
        rest = []
        for side in self._sides:
            del side.ready[:certain]
            rest.append([*side.ready, *(side.rows.live(self._width) if not side.closed else [])])
        return done, [self._beside_each_other(*pair) for pair in zip_longest(*rest, fillvalue=Row())]

    def _stacked(self) -> tuple[list[Row], list[Row]]:
        """The left one, then the right one."""
        done: list[Row] = []
        live: list[Row] = []
        for side in self._sides:
            done += side.ready
            side.ready = []
            if not side.closed:
                live = side.rows.live(self._width) if self._area.abilities.escapes else []
                break
            if not side.parted:
                side.parted = True
                done.append(Row())
        return done, live

    def _beside_each_other(self, left: Row, right: Row) -> Row:
        gap = GAP[0] if self._area.abilities.unicode else GAP[1]
        return Row((*pad(left, self._width), (gap, DIM), *right.pieces))

    def _rows(self, markdown: bool) -> Rows:
        if not self._area.abilities.escapes:
            return WholeLines()
        if markdown:
            from chatcli.terminal.markdown.stream import MarkdownStream

            return MarkdownStream(unicode=self._area.abilities.unicode)
        return WrappedLines(PLAIN, ("", ""))

    def _wait_row(self, now: float) -> list[Row]:
        if now - self._began < PATIENCE or all(side.ended for side in self._sides):
            return []
        done = sum(side.ended for side in self._sides)
        text = f"{spinner(now, unicode=self._area.abilities.unicode)} two answers are being written"
        return [Row(((clipped(f"{text}{', one is done' if done else ''}", self._area.width), DIM),))]


class _Side:
    """One of the answers."""

    def __init__(self, title: str, rows: Rows) -> None:
        self.come = ""
        self.shown = 0  # characters of it
        self.ended = self.closed = self.parted = False
        self.rows = rows
        self.ready = [Row(((title, BOLD),))]

    @property
    def certain(self) -> int:
        """How many rows are; beyond the end of an answer that is all there, any number."""
        return len(self.ready) if not self.closed else max(len(self.ready), 1 << 30)

    def row(self, index: int) -> Row:
        """A row that is certain; never soft, since another column follows it."""
        return Row(self.ready[index].pieces) if index < len(self.ready) else Row()

    def release(self, end: int) -> None:
        """Show the text up to a character. A carriage return waits for the newline it may belong to."""
        end = min(end, len(self.come))
        if not self.ended and self.come[:end].endswith("\r"):
            end -= 1
        text = self.come[self.shown : end]
        if text and not self.come[: self.shown].strip("\n"):
            text = text.lstrip("\n")  # an answer does not begin with empty lines
        self.shown = max(self.shown, end)
        if text:
            self.rows.feed(sanitize(text))

    def close(self, width: int) -> None:
        """All of it is there."""
        if not self.closed:
            self.ready += self.rows.finish(width)
            self.closed = True
