"""A bar for each file that grows or is read, drawn again and again below what is finished."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from chatcli.terminal.live import LiveArea, bar
from chatcli.terminal.prompt.keyboard import Keyboard
from chatcli.terminal.rows import Piece, Row, cells
from chatcli.terminal.sanitize import sanitize_line
from chatcli.terminal.theme import DIM, PLAIN
from chatcli.terminal.work import Figures, Item, Work

_FRAME = 0.1  # seconds
_GAP = 2
_BAR = (8, 30)  # cells, at least and at most
_NAME = 20  # cells a name gets before there is a bar
_SHORTEST_NAME = len("…01-of-00003")
_RATE, _LEFT = len("999.9 MB/s"), len("stopped")


class BarView:
    """A bar a file, with rate and remaining time, while its block runs.

    Args:
        area: where it is drawn.
        keyboard: keys are not echoed into it.
        keeps: the bar of a file that is done stays on the screen.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        area: LiveArea,
        keyboard: Keyboard,
        *,
        keeps: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._area = area
        self._keyboard = keyboard
        self._keeps = keeps
        self._clock = clock
        self._works: dict[Item, Work] = {}
        self._labels: set[str] = set()  # of all there were, so that columns stay where they are
        self._finished: list[Row] = []
        # A signal may come while the main thread itself draws.
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._aside = False  # another program has the terminal
        self._held = ExitStack()
        self._ticking = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> Self:
        """Begin to show."""
        self._held.enter_context(self._keyboard.held(self._step_aside, self._go_on))
        self._ticking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the bars of what is not done as they are, once."""
        with self._held:
            self._ended.set()
            with self._lock:
                works, self._works = list(self._works.values()), {}
                if self._keeps:
                    self._finished += self._rows([work.ended(self._clock()) for work in works])
                self._area.draw(self._finished)
                self._finished = []
                self._area.close()

    def begin(self, file: Item, have: int) -> None:
        """A new bar."""
        with self._lock:
            label = sanitize_line(file.path.replace("\\", "/").rpartition("/")[2])
            self._labels.add(label)
            self._works[file] = Work(label, file.size, have, self._clock())

    def advance(self, file: Item, have: int) -> None:
        """Let the bar grow; it is drawn with the next frame."""
        with self._lock:
            if file in self._works:
                self._works[file].grow(have, self._clock())

    def end(self, file: Item) -> None:
        """Its bar is what is known of it now, and stays if bars do."""
        with self._lock:
            work = self._works.pop(file, None)
            if work is None:
                return
            now = self._clock()
            work.grow(work.size, now)
            if self._keeps:
                self._finished += self._rows([work.ended(now)])
            self.refresh()

    def note(self, text: str) -> None:
        """A line above the bars."""
        with self._lock:
            self._finished.append(Row(((sanitize_line(text), PLAIN),)))
            self.refresh()

    def refresh(self) -> None:
        """Draw, unless another program has the terminal."""
        with self._lock:
            if self._ended.is_set() or self._aside or not self._keyboard.in_foreground:
                return
            now = self._clock()
            finished, self._finished = self._finished, []
            self._area.draw(finished, self._rows([work.coming(now) for work in self._works.values()]))

    def _tick(self) -> None:
        """What stands still is told, too: its rate falls."""
        while not self._ended.wait(_FRAME):
            self.refresh()

    def _step_aside(self) -> None:
        with self._lock:
            self._aside = True
            self._area.suspend()

    def _go_on(self) -> None:
        with self._lock:
            self._aside = False
            self.refresh()

    def _rows(self, shown: Sequence[Figures]) -> list[Row]:
        if not shown:
            return []
        layout = _layout(self._area.width, shown, max(map(cells, self._labels)))
        return [layout.row(one, unicode=self._area.abilities.unicode) for one in shown]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Cells of each column; 0: it is left out."""

    name: int
    bar: int = 0
    amount: int = 0
    percent: int = 0
    rate: int = 0
    left: int = 0

    def row(self, one: Figures, *, unicode: bool) -> Row:
        """What is shown of one file."""
        name = end_of(one.label, self.name, "…" if unicode else "~")
        pieces: list[Piece] = [(name + " " * (self.name - cells(name)), PLAIN)]
        if self.bar:
            style = "bar.done" if one.share == 1 else "bar.part"
            pieces += [(" " * _GAP, PLAIN), (bar(one.share, self.bar, unicode=unicode), style)]
        percent = f"{int(100 * one.share)} %"
        columns = ((one.amount, self.amount), (percent, self.percent), (one.rate, self.rate))
        pieces += [(" " * _GAP + text.rjust(width), PLAIN) for text, width in columns if width]
        if self.left:
            pieces.append((" " * _GAP + one.left.rjust(self.left), DIM))
        return Row(tuple(pieces))


def _layout(width: int, shown: Sequence[Figures], longest: int) -> _Layout:
    """The fullest layout in which names can be told apart; what is left out first says least.

    Args:
        width: of the screen.
        shown: what must fit.
        longest: cells of the longest name.
    """
    amount = max(12, *(len(one.amount) for one in shown))
    rate = max(_RATE, *(len(one.rate) for one in shown))
    left = max(_LEFT, *(len(one.left) for one in shown))
    percent = len("100 %")
    wanted = min(longest, _NAME)
    for columns in ((amount, 0, rate, left), (0, percent, rate, left)):
        room = width - sum(column + _GAP for column in columns if column)
        if room >= wanted + _GAP + _BAR[0]:
            name = min(longest, max(wanted, room - _GAP - _BAR[1]))
            return _Layout(name, min(_BAR[1], room - _GAP - name), *columns)
    for columns in ((0, percent, rate, left), (0, percent, 0, left), (0, percent, 0, 0)):
        room = width - sum(column + _GAP for column in columns if column)
        if room >= min(longest, _SHORTEST_NAME):
            return _Layout(min(longest, room), 0, *columns)
    return _Layout(max(1, width))


def end_of(name: str, width: int, mark: str) -> str:
    """A file's name in ``width`` cells: its end, a part's number or a format, tells it from others."""
    if cells(name) <= width:
        return name
    name = name.removesuffix(".gguf")
    if cells(name) <= width:
        return name
    while name and cells(name) > width - 1:
        name = name[1:]
    return mark + name
