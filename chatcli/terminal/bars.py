"""Progress bars, drawn again and again below what is finished."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol, Self

from chatcli.terminal.live import LiveArea, bar
from chatcli.terminal.prompt.keyboard import Keyboard
from chatcli.terminal.rows import Row, cells
from chatcli.terminal.sanitize import sanitize_line
from chatcli.terminal.tables import table
from chatcli.terminal.theme import DIM, PLAIN
from chatcli.words import byte_size, duration, part_of_size

_FRAME = 0.1  # seconds
_WINDOW = 5.0  # seconds that a rate is about
_SHORTEST = 0.3  # seconds after which a rate can be told
_NAME = 20  # cells a name gets before there is a bar
_SHORTEST_NAME = len("…01-of-00003")
_BAR = (8, 30)  # cells, at least and at most
# The columns behind the name, from the fullest layout to the one for the narrowest screen, and their least
# cells, so that they stay where they are.
_LAYOUTS = (
    *(("bar", "amount", "rate", "left"), ("bar", "percent", "rate", "left")),
    *(("percent", "rate", "left"), ("percent", "left"), ("percent",), ()),
)
_LEAST = {"amount": 12, "percent": len("100 %"), "rate": len("999.9 MB/s"), "left": len("stopped")}


class Sized(Protocol):
    """A file, or something as large; equal ones are the same."""

    @property
    def path(self) -> str:
        """What it is called."""

    @property
    def size(self) -> int:
        """Bytes of the whole."""


class ProgressView:
    """Shows how files grow while its block runs. Calls may come from several threads."""

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the screen as a record of what happened."""

    def begin(self, file: Sized, have: int) -> None:
        """A file is begun; ``have`` bytes of it are done."""

    def advance(self, file: Sized, have: int) -> None:
        """So many bytes of it are done now."""

    def end(self, file: Sized) -> None:
        """It is done."""

    def note(self, text: str) -> None:
        """A line above what is shown."""


class Task:
    """What has been done of one file.

    Args:
        label: name of the file.
        size: bytes of the whole.
        have: bytes of it that are done.
        since: when it was begun, in seconds.
    """

    def __init__(self, label: str, size: int, have: int, since: float) -> None:
        self.label = label
        self.size = size
        self.have = self._begun = have
        self._since = since
        self._complete_before = 0 < have == size
        self._samples = deque([(since, have)])

    @property
    def share(self) -> float:
        """The part that is done, 0 to 1."""
        return self.have / self.size if self.size else 1.0

    def grow(self, have: int, now: float) -> None:
        """Note how many bytes are done now; fewer than before if it was begun anew."""
        if have < self.have:
            self._begun, self._since = have, now
            self._samples = deque([(now, have)])
        self.have = have
        if now - self._samples[-1][0] >= _SHORTEST / 3:
            self._samples.append((now, have))

    def rate(self, now: float) -> float | None:
        """Bytes a second during the last seconds, which falls when nothing comes; None if it is too early."""
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOW:
            self._samples.popleft()
        then, before = self._samples[0]
        return (self.have - before) / (now - then) if now - then >= _SHORTEST else None

    def figures(self, now: float, *, ended: bool) -> dict[str, str]:
        """The texts of its columns."""
        done = self.have == self.size
        rate = self.rate(now)
        left = duration((self.size - self.have) / rate) if rate else ""
        if ended:
            left = "is here" if self._complete_before else "done" if done else "stopped"
            rate = (self.have - self._begun) / max(now - self._since, 1e-3) if left == "done" else None
        return {
            "amount": part_of_size(self.have, self.size),
            "percent": f"{int(100 * self.share)} %",
            "rate": f"{byte_size(int(rate))}/s" if rate is not None else "",
            "left": left,
        }


class BarView(ProgressView):
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
        self._tasks: dict[Sized, Task] = {}
        self._longest = 0  # cells of the longest name so far, so that columns stay where they are
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
                if self._keeps:
                    self._finished += self._rows(list(self._tasks.values()), ended=True)
                self._tasks.clear()
                self._area.draw(self._finished)
                self._finished = []
                self._area.close()

    def begin(self, file: Sized, have: int) -> None:
        """A new bar."""
        with self._lock:
            label = sanitize_line(file.path.replace("\\", "/").rpartition("/")[2])
            self._longest = max(self._longest, cells(label))
            self._tasks[file] = Task(label, file.size, have, self._clock())

    def advance(self, file: Sized, have: int) -> None:
        """Let the bar grow; it is drawn with the next frame."""
        with self._lock:
            if file in self._tasks:
                self._tasks[file].grow(have, self._clock())

    def end(self, file: Sized) -> None:
        """End its bar, which stays if bars do."""
        with self._lock:
            task = self._tasks.pop(file, None)
            if task is None:
                return
            task.grow(task.size, self._clock())
            if self._keeps:
                self._finished += self._rows([task], ended=True)
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
            finished, self._finished = self._finished, []
            self._area.draw(finished, self._rows(list(self._tasks.values()), ended=False))

    def _tick(self) -> None:
        while not self._ended.wait(_FRAME):  # also where nothing comes, since its rate falls
            self.refresh()

    def _step_aside(self) -> None:
        with self._lock:
            self._aside = True
            self._area.suspend()

    def _go_on(self) -> None:
        with self._lock:
            self._aside = False
            self.refresh()

    def _rows(self, tasks: Sequence[Task], *, ended: bool) -> list[Row]:
        """A row each, in the fullest layout in which the names can be told apart."""
        shown = [task.figures(self._clock(), ended=ended) for task in tasks]
        if not shown:
            return []
        columns, name, size = _layout(self._area.width, shown, self._longest)
        unicode = self._area.abilities.unicode
        rows = []
        for task, figures in zip(tasks, shown, strict=True):
            label = end_of(task.label, name, "…" if unicode else "~")
            row = [((label + " " * (name - cells(label)), PLAIN),)]
            for column in columns:
                if column == "bar":
                    style = "bar.done" if task.share == 1 else "bar.part"
                    row.append(((bar(task.share, size, unicode=unicode), style),))
                else:
                    text = figures[column].rjust(_LEAST[column])
                    row.append(((text, DIM if column == "left" else PLAIN),))
            rows.append(row)
        return table(rows, (), self._area.width, alignments="<".ljust(len(columns) + 1, ">"), ruled=False)


def _layout(width: int, shown: Sequence[Mapping[str, str]], longest: int) -> tuple[tuple[str, ...], int, int]:
    """The columns, and the cells of the name and of the bar."""
    least = {name: max(size, *(cells(one[name]) for one in shown)) for name, size in _LEAST.items()}
    for columns in _LAYOUTS:
        room = width - sum(least[column] + 2 for column in columns if column != "bar")
        wanted = min(longest, _NAME if "bar" in columns else _SHORTEST_NAME)
        if "bar" in columns and room >= wanted + 2 + _BAR[0]:
            name = min(longest, max(wanted, room - 2 - _BAR[1]))
            return columns, name, min(_BAR[1], room - 2 - name)
        if "bar" not in columns and room >= wanted:
            return columns, min(longest, room), 0
    return (), max(1, width), 0


def end_of(name: str, width: int, mark: str) -> str:
    """A file's name in ``width`` cells: its end, a part's number or a format, tells it from others."""
    if cells(name) > width:
        name = name.removesuffix(".gguf")
    if cells(name) <= width:
        return name
    while name and cells(name) > width - 1:
        name = name[1:]
    return mark + name
