"""What stays on the screen when the window changes while an answer streams."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.engine.base import TextDelta
from chatcli.terminal.answer import AnswerView, Manner
from chatcli.terminal.live import Abilities, LiveArea
from tests.terminal.window import Window

SIZES = [(80, 24), (40, 10), (20, 6), (100, 30), (30, 5)]
_PARAGRAPHS = "\n\n".join(
    " ".join(f"p{paragraph}w{word};" for word in range(25)) + "." for paragraph in range(3)
)
_MIXED = (
    "# heading h1\n\n"
    + "\n".join(f"- item i{n} with **bold b{n}** and `code c{n}`" for n in range(12))
    + "\n\n```python\n"
    + "\n".join(f"value_{n} = {n}" for n in range(30))
    + "\n```\n\n"
    + "> quote q1 *goes on*\n> quote q2\n\n"
    + _PARAGRAPHS
)


def _played(text: str, sizes: list[tuple[int, int]], piece: int, *, rewraps: bool) -> str:
    """The scrollback after an answer during which the window takes one size after the other."""
    window = Window(*sizes[0], rewraps=rewraps)
    abilities = Abilities.of(window, {"TERM": "xterm"}, color=True, plain=False)
    view = AnswerView(LiveArea(window, abilities, window.size), Manner(), lambda: ("", None))
    pieces = [text[i : i + piece] for i in range(0, len(text), piece)]
    for number, part in enumerate(pieces):
        turn = number * len(sizes) // len(pieces)
        if window.size() != sizes[turn]:
            window.screen.drag(*sizes[turn])
        view.show(TextDelta(part))
        view.refresh(at_once=True)
    view.finish()
    return window.screen.scrollback


def _words(text: str) -> list[str]:
    return re.findall(r"p\d+w\d+;|\bh1|\bi\d+|\bb\d+|\bc\d+|value_\d+|\bq\d", text)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [2, 50])
def test_every_word_once(size: tuple[int, int], piece: int) -> None:
    """On a screen of any size every word of an answer is in the scrollback once, in order."""
    assert _words(_played(_MIXED, [size], piece, rewraps=False)) == _words(_MIXED)


@pytest.mark.parametrize("sizes", [SIZES, SIZES[::-1], [(20, 6), (80, 24), (20, 6), (80, 24)]])
@pytest.mark.parametrize("rewraps", [False, True], ids=["xterm", "rewrapping"])
def test_resizing_while_streaming(sizes: list[tuple[int, int]], rewraps: bool) -> None:
    """Nothing is left twice and nothing is erased when the window changes again and again.

    A terminal that does not rewrap cuts off what is on the screen; so only words that are still there count.
    """
    shown = _words(_played(_PARAGRAPHS, sizes, 5, rewraps=rewraps))
    if rewraps:
        assert shown == _words(_PARAGRAPHS)
    assert len(shown) == len(set(shown))
    assert [word for word in _words(_PARAGRAPHS) if word in set(shown)] == shown


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.tuples(st.integers(20, 100), st.integers(3, 30)), min_size=1, max_size=8),
    st.integers(5, 30),
)
def test_any_sizes(sizes: list[tuple[int, int]], piece: int) -> None:
    """As above, for windows of any sizes that rewrap."""
    assert _words(_played(_PARAGRAPHS, sizes, piece, rewraps=True)) == _words(_PARAGRAPHS)
