"""Which messages are sent when not all of them fit."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.chat.message import Message, Role, assistant, system, user
from chatcli.chat.window import fit
from chatcli.errors import ContextOverflow


class Measure:
    """Ten tokens a message and one a character, counting how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, messages: Sequence[Message]) -> int:
        """The size of a prompt for these messages."""
        self.calls += 1
        return sum(10 + len(message.content) for message in messages)


def chat(exchanges: int) -> list[Message]:
    """A system prompt, whole exchanges of 40 tokens, and a question; 20 tokens the first and the last."""
    turns = [message for _ in range(exchanges) for message in (user("q" * 10), assistant("a" * 10))]
    return [system("s" * 10), *turns, user("q" * 10)]


def test_everything_is_kept_while_it_fits_with_one_measurement() -> None:
    """The ordinary turn costs one rendering."""
    measure = Measure()
    window = fit(chat(3), 160, measure)
    assert (window.kept, window.left_out, window.first_kept, window.size) == (tuple(range(8)), (), 0, 160)
    assert measure.calls == 1


def test_whole_oldest_exchanges_leave_until_three_quarters_are_filled() -> None:
    """The system prompt and the last message stay; an answer never stays without its question."""
    window = fit(chat(5), 200, Measure())  # 240 tokens; 150 hold two exchanges beside the 40
    assert window.left_out == (1, 2, 3, 4, 5, 6)
    assert window.kept == (0, 7, 8, 9, 10, 11)
    assert (window.first_kept, window.size) == (7, 120)


def test_the_beginning_stays_where_it_is_as_long_as_it_fits() -> None:
    """The prompt's prefix, and so the KV cache, is the same turn after turn."""
    first_kept, beginnings, measured = 0, [], 0
    for turn in range(200):
        measure = Measure()
        window = fit(chat(turn), 1000, measure, first_kept)
        measured += measure.calls
        if window.first_kept != first_kept:
            beginnings.append(window.first_kept)
        first_kept = window.first_kept
        assert window.size <= 1000
    assert len(beginnings) == 22  # 24 exchanges fit; from the 25th on every 8th turn goes back to 17
    assert measured < 200 + 22 * 6


def test_measuring_is_logarithmic() -> None:
    """Of ten thousand exchanges, a dozen or so candidates are rendered."""
    measure = Measure()
    window = fit(chat(10_000), 4000, measure)
    assert window.size <= 3000
    assert measure.calls <= 16


def test_a_last_message_that_fills_the_context_goes_alone() -> None:
    """Between three quarters and the whole budget there is no room to keep anything else."""
    window = fit([*chat(3)[:-1], user("x" * 150)], 190, Measure())
    assert window.kept == (0, 7)
    assert window.size == 180


def test_a_last_message_that_does_not_fit_is_refused_with_its_size() -> None:
    """Whatever is left out, it would not help; the message says how much is needed."""
    with pytest.raises(ContextOverflow) as caught:
        fit([*chat(3)[:-1], user("x" * 150)], 179, Measure())
    assert (caught.value.needed, caught.value.available) == (180, 179)


def test_an_answer_that_is_continued_keeps_its_question_if_it_can() -> None:
    """The question leaves only when answer and question do not fit together."""
    messages = [*chat(2), assistant("a" * 50)]
    assert fit(messages, 100, Measure()).kept == (0, 5, 6)
    assert fit(messages, 90, Measure()).kept == (0, 6)
    with pytest.raises(ContextOverflow):
        fit(messages, 79, Measure())


def test_system_prompts_stay_wherever_they_are() -> None:
    """Also one that was set in the middle of the chat."""
    messages = [system("s"), user("a"), assistant("b"), system("t"), user("c"), assistant("d"), user("e")]
    window = fit(messages, 50, Measure())
    assert window.kept == (0, 3, 6)
    assert window.left_out == (1, 2, 4, 5)


def test_a_beginning_beyond_the_chat_starts_afresh() -> None:
    """After an undo behind the window's beginning, older messages come back."""
    assert fit(chat(3), 1000, Measure(), first_kept=50).left_out == ()


@pytest.mark.parametrize("messages", [[], [system("s")], [assistant("a")], [user("u")]])
def test_chats_that_have_just_begun_are_kept_whole(messages: list[Message]) -> None:
    """No message at all, a system prompt alone, an answer without a question."""
    assert fit(messages, 100, Measure()).kept == tuple(range(len(messages)))


_MESSAGES = st.builds(Message, st.sampled_from(Role), st.integers(0, 40).map("x".__mul__))


@given(st.lists(_MESSAGES, min_size=1, max_size=30), st.integers(10, 800), st.integers(0, 30))
def test_any_choice_is_sound(messages: list[Message], budget: int, first_kept: int) -> None:
    """It fits, it is an end of the chat, nothing is there twice, and it fails only when nothing would do."""
    measure = Measure()
    needed = [m for m in messages[:-1] if m.role is Role.SYSTEM] + messages[-1:]
    try:
        window = fit(messages, budget, measure, first_kept)
    except ContextOverflow as error:
        assert error.needed == Measure()(needed) > budget  # noqa: PT017
        return
    assert sorted(window.kept + window.left_out) == list(range(len(messages)))
    assert window.size == Measure()([messages[i] for i in window.kept]) <= budget
    assert len(messages) - 1 in window.kept
    left = set(window.left_out)
    assert not any(messages[i].role is Role.SYSTEM for i in left)
    talk = [i for i, m in enumerate(messages) if m.role is not Role.SYSTEM]
    assert [i for i in talk if i in left] == talk[: len(left)]
    begin = talk[len(left)] if len(left) < len(talk) else len(messages) - 1
    assert not left or messages[begin].role is Role.USER or begin == len(messages) - 1
    again = fit(messages, budget, Measure(), window.first_kept)
    assert again.left_out == window.left_out
