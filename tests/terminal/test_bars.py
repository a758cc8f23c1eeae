"""The bars of files that are fetched or read: every size of the window, and everything that disturbs them."""

import re
from dataclasses import dataclass

import pytest

from chatcli.terminal.bars import BarView, Task, end_of
from chatcli.terminal.live import Abilities, LiveArea
from chatcli.terminal.prompt.keyboard import Keyboard
from tests.terminal.window import Window

PARTS = [f"Qwen3-235B-A22B-Instruct-Q8_0-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
SIZE = 8_000_000


@dataclass(frozen=True)
class _File:
    path: str
    size: int = SIZE


class _Bars:
    """Bars in a window, at a time that goes on only when told."""

    def __init__(self, columns: int, rows: int, *, rewraps: bool = False, keeps: bool = True) -> None:
        self.window = Window(columns, rows, rewraps=rewraps)
        self.now = 0.0
        abilities = Abilities.of(self.window, {"TERM": "xterm"}, color=True, plain=False)
        area = LiveArea(self.window, abilities, self.window.size)
        self.view = BarView(area, Keyboard(None), keeps=keeps, clock=lambda: self.now)

    def grow(self, file: _File, to: int) -> None:
        """A second later so much is here."""
        self.now += 1
        self.view.advance(file, to)
        self.view.refresh()

    @property
    def rows(self) -> list[str]:
        """All that stands in the window and above it."""
        return [row.rstrip() for row in self.window.screen.scrollback.splitlines() if row.strip()]


@pytest.mark.parametrize("columns", [120, 90, 60, 40, 30, 20])
def test_parts_can_be_told_apart(columns: int) -> None:
    """On a screen of any width each part has one row, which shows its number and how much of it is here."""
    bars = _Bars(columns, 12)
    files = [_File(name) for name in PARTS]
    for number, file in enumerate(files, 1):
        bars.view.begin(file, 0)
        bars.grow(file, SIZE // 10 * number)
    shown = [re.search(r"(\d)-of-00003", row) for row in bars.rows]
    assert [found[1] for found in shown if found] == ["1", "2", "3"], bars.rows
    if columns >= 40:
        assert all(re.search(r"\d [kM]B/s +\d+ s$", row) for row in bars.rows), bars.rows
    if columns >= 60:
        assert all("█" in row for row in bars.rows)
    assert all(len(row) <= columns for row in bars.rows)


@pytest.mark.parametrize("rewraps", [False, True], ids=["xterm", "rewrapping"])
@pytest.mark.parametrize("sizes", [[(90, 20), (60, 20), (40, 9)], [(40, 9), (90, 20), (30, 5), (120, 30)]])
def test_the_window_may_change(sizes: list[tuple[int, int]], rewraps: bool) -> None:
    """However often it does, nothing is left of former bars, and what is done stands there once."""
    bars = _Bars(*sizes[0], rewraps=rewraps)
    files = [_File(name) for name in PARTS]
    for file in files:
        bars.view.begin(file, 0)
    for step in range(1, 10):
        if step % 2:
            bars.window.screen.drag(*sizes[step // 2 % len(sizes)])
        for file in files:
            bars.grow(file, SIZE // 10 * step)
        assert len(bars.rows) == 3, bars.rows
    for file in files:
        bars.view.end(file)
    assert [row.endswith("done") for row in bars.rows] == [True] * 3


def test_what_is_here_already_says_so() -> None:
    """There is no rate, and no time that is left."""
    bars = _Bars(90, 10)
    file = _File("m-Q8_0.gguf")
    bars.view.begin(file, SIZE)
    bars.view.end(file)
    assert re.fullmatch(r"m-Q8_0\.gguf +█+ +8\.0/8\.0 MB +is here", bars.rows[0])


def test_an_echoed_key_moves_nothing() -> None:
    """Where the terminal itself shows ^C, as with another standard input, the bar stays where it is."""
    bars = _Bars(90, 10)
    file = _File("m-Q8_0.gguf")
    bars.view.begin(file, 0)
    bars.grow(file, SIZE // 2)
    with bars.view:
        bars.window.write("^C")
    assert len(bars.rows) == 1
    assert re.fullmatch(r"m-Q8_0\.gguf +█+░+ +4\.0/8\.0 MB +stopped", bars.rows[0])


def test_bars_that_do_not_stay() -> None:
    """Of what is only read, nothing is left; the verdict on it has a line of its own."""
    bars = _Bars(90, 10, keeps=False)
    file = _File("m-Q8_0.gguf")
    bars.view.begin(file, 0)
    bars.grow(file, SIZE // 2)
    assert len(bars.rows) == 1
    bars.view.end(file)
    assert bars.rows == []


def test_a_rate_is_that_of_the_last_seconds() -> None:
    """It falls when nothing comes, what was here before does not count, and a new beginning is one."""
    task = Task("m", 1000, 500, since=0.0)
    assert task.rate(0.1) is None
    task.grow(600, 1.0)
    assert task.rate(1.0) == 100
    assert task.rate(4.0) == 25
    for second in range(2, 12):
        task.grow(600 + second, float(second))
    assert task.rate(11.0) == 1
    task.grow(0, 12.0)
    task.grow(10, 13.0)
    assert task.rate(13.0) == 10


def test_the_end_of_a_name_stays() -> None:
    """Wide characters count twice."""
    assert end_of("model-Q8_0.gguf", 15, "…") == "model-Q8_0.gguf"
    assert end_of("model-Q8_0.gguf", 10, "…") == "model-Q8_0"
    assert end_of("model-Q8_0.gguf", 5, "…") == "…Q8_0"
    assert end_of("模型模型-Q8.gguf", 6, "…") == "…型-Q8"
