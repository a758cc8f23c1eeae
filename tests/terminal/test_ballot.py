"""The ballot: one key without Enter, and a view of two answers that tells nothing but their words."""

import io
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from chatcli.chat.message import FinishReason, Generation, ModelRef
from chatcli.engine.base import Finished, ReasoningDelta, TextDelta
from chatcli.terminal.ballot.question import BOTH_BAD, LEFT, RIGHT, SKIP, TIE, press
from chatcli.terminal.ballot.view import BallotView
from chatcli.terminal.live import Abilities, LiveArea
from tests.terminal.emulator import WindowScreen

KEYS = (LEFT, RIGHT, TIE, BOTH_BAD, SKIP)
END = Finished(Generation(ModelRef("secret"), FinishReason.END))


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("\x1b[D", "left"), ("1", "left"), ("\x1b[C", "right"), ("2", "right"), ("t", "tie"), ("=", "tie"),
        ("b", "both_bad"), ("s", "skip"), ("x\ry \x1b[At", "tie"), ("\x1bOD", "left"),
    ],
)  # fmt: skip
def test_each_key_means_what_is_written(typed: str, means: str) -> None:
    """Arrows of both modes, digits, letters; any other key is passed over, Enter too."""
    with create_pipe_input() as keys:
        keys.send_text(typed)
        assert press("?", KEYS, input=keys, output=DummyOutput()) == means


@pytest.mark.parametrize("typed", ["\x03", "\x04"])
def test_ctrl_c_and_ctrl_d_leave(typed: str) -> None:
    """Nothing is chosen."""
    with create_pipe_input() as keys:
        keys.send_text(typed)
        with pytest.raises(KeyboardInterrupt):
            press("?", KEYS, input=keys, output=DummyOutput())


class Shown:
    """A view on a screen that can be looked at, with a clock that is turned by hand."""

    def __init__(self, columns: int, rows: int, *, escapes: bool = True, markdown: bool = True) -> None:
        import pyte

        self.out = io.StringIO()
        self.screen = WindowScreen(columns, rows, rewraps=False)
        self.stream = pyte.Stream(self.screen)
        self.now = 0.0
        area = LiveArea(self.out, Abilities(escapes, False, True), lambda: (columns, rows))
        self.view = BallotView(area, ("1", "2"), markdown=markdown, clock=lambda: self.now)

    def text(self) -> str:
        """Everything printed."""
        self.stream.feed(self.out.getvalue().replace("\n", "\r\n"))
        self.out.seek(0)
        self.out.truncate()
        rows = [*self.screen.history.top, *(self.screen.buffer[y] for y in range(self.screen.lines))]
        lines = ("".join(row[x].data for x in range(self.screen.columns)).rstrip() for row in rows)
        return "\n".join(lines).rstrip()

    def step(self) -> str:
        """A frame later."""
        self.now += 0.1
        self.view.refresh()
        return self.text()


def test_the_faster_one_waits_for_the_slower() -> None:
    """What is seen of both is as long; nothing is seen until both have begun; reasoning never is."""
    shown = Shown(80, 24)
    shown.view.take(0, ReasoningDelta("hidden thoughts"))
    shown.view.take(0, TextDelta("alpha beta gamma"))
    shown.view.take(0, END)
    assert "alpha" not in shown.step()
    shown.view.take(1, TextDelta("delta"))
    seen = shown.step()
    assert "alpha" in seen
    assert "beta" not in seen
    assert "delta" in seen
    shown.view.take(1, TextDelta(" epsilon zeta eta theta"))
    assert "gamma" in shown.step()
    shown.view.take(1, END)
    shown.view.finish()
    assert "theta" in shown.text()
    assert "hidden" not in shown.text()
    assert "secret" not in shown.text()


def test_columns_where_there_is_room_rows_where_there_is_not() -> None:
    """On 40 columns the right one begins when the left one is whole."""
    for columns, beside in ((80, True), (40, False)):
        shown = Shown(columns, 12)
        for side, word in enumerate(("left words", "right words")):
            shown.view.take(side, TextDelta(word))
        first = shown.step()
        assert ("right wor" in first) is beside
        for side in (0, 1):
            shown.view.take(side, END)
        shown.view.finish()
        lines = shown.text().split("\n")
        same = [line for line in lines if "left words" in line and "right words" in line]
        assert bool(same) is beside
        assert "right words" in shown.text()


@settings(max_examples=25, deadline=None)
@given(
    texts=st.tuples(*[st.text("ab \n#*-|\r\t", max_size=150)] * 2),
    cuts=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 20)), max_size=40),
    size=st.sampled_from([(80, 24), (70, 6), (40, 10), (20, 5)]),
    markdown=st.booleans(),
)
def test_all_words_arrive_whatever_the_pieces(
    texts: tuple[str, str], cuts: Sequence[tuple[int, int]], size: tuple[int, int], markdown: bool
) -> None:
    """Every letter of both is on the screen at the end, in any order of pieces, on any screen."""
    shown = Shown(*size, markdown=markdown)
    left = list(texts)
    for side, count in cuts:
        shown.view.take(side, TextDelta(left[side][:count]))
        left[side] = left[side][count:]
        shown.step()
    for side in (0, 1):
        shown.view.take(side, TextDelta(left[side]))
        shown.view.take(side, END)
    shown.view.finish()
    seen = shown.text()
    for letter in "ab":
        assert seen.count(letter) == sum(text.count(letter) for text in texts)


def test_a_plain_screen_gets_whole_lines_one_answer_after_the_other() -> None:
    """No escape bytes."""
    shown = Shown(80, 24, escapes=False)
    for side, words in enumerate(("one\ntwo", "three")):
        shown.view.take(side, TextDelta(words))
        shown.view.take(side, END)
        shown.step()
    shown.view.finish()
    shown.text()
    assert shown.text() == "1\none\ntwo\n\n2\nthree"


def test_escape_sequences_in_answers_are_harmless() -> None:
    """They are shown, not obeyed."""
    shown = Shown(80, 24)
    shown.view.take(0, TextDelta("\x1b[2Jred"))
    shown.view.take(1, TextDelta("x" * 9))
    shown.step()
    for side in (0, 1):
        shown.view.take(side, END)
    shown.view.finish()
    assert "^[[2Jred" in shown.text()
