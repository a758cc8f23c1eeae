"""Ordering answers by pairwise choices: right, resumable, and with the fewest questions."""

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.feedback.ranking import Outcome, RankingTask, most_questions

# Knuth, The Art of Computer Programming 3, 5.3.1: what merge insertion needs in the worst case.
WORST = {2: 1, 3: 3, 4: 5, 5: 7, 6: 10, 7: 13, 8: 16, 9: 19}


def outcome(values: Sequence[int], left: int, right: int) -> Outcome:
    """What somebody says who finds smaller values better."""
    if values[left] == values[right]:
        return "tie"
    return "left" if values[left] < values[right] else "right"


def ordered(values: Sequence[int], *, swap: random.Random | None = None) -> RankingTask:
    """The task after all its questions, none of which was asked twice."""
    coins = [swap.random() < 0.5 if swap else False for _ in range(40)]
    task = RankingTask(len(values), swapped=coins.__getitem__)
    asked = set()
    while task.question is not None:
        assert frozenset(task.question) not in asked
        asked.add(frozenset(task.question))
        task.answer(outcome(values, *task.question))
    return task


def pending(task: RankingTask) -> set[int]:
    """The answers that are asked about."""
    return set(task.question or ())


def ranks_of(values: Sequence[int]) -> tuple[int, ...]:
    """The ranks by sorting."""
    levels = sorted(set(values))
    return tuple(levels.index(value) + 1 for value in values)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_every_order_is_found_with_the_fewest_questions(count: int) -> None:
    """All permutations: right ranks, and in the worst case exactly as many questions as the theory says."""
    worst = 0
    for values in itertools.permutations(range(count)):
        task = ordered(values)
        assert task.ranks == ranks_of(values)
        worst = max(worst, len(task.choices))
    assert worst == WORST[count] == most_questions(count)


@settings(max_examples=150, deadline=None)
@given(values=st.lists(st.integers(0, 5), min_size=2, max_size=9), seed=st.integers(0, 9))
def test_ties_and_swapped_questions_change_nothing(values: list[int], seed: int) -> None:
    """With ties, and whichever side an answer is shown on; never more questions than without ties."""
    task = ordered(values, swap=random.Random(seed))
    assert task.ranks == ranks_of(values)
    assert len(task.choices) <= WORST[len(values)]
    for choice in task.choices:
        assert choice.winner == outcome(values, choice.left, choice.right)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.integers(0, 5), min_size=2, max_size=9), cut=st.integers(0, 19))
def test_it_goes_on_from_recorded_choices(values: list[int], cut: int) -> None:
    """A task made from the first choices of another asks what that one asked next; undo goes back."""
    whole = ordered(values, swap=random.Random(cut))
    resumed = RankingTask(len(values), whole.choices[:cut])
    while resumed.question is not None:
        resumed.answer(outcome(values, *resumed.question))
    assert resumed.ranks == whole.ranks
    assert len(resumed.choices) == len(whole.choices)
    before = resumed.choices[-1]
    resumed.undo()
    assert pending(resumed) == {before.left, before.right}
    with pytest.raises(ValueError, match="not known yet"):
        _ = resumed.ranks


def test_wrong_uses_are_refused() -> None:
    """Too few answers, an answer too many, choices of another task."""
    with pytest.raises(ValueError, match="two answers"):
        RankingTask(1)
    task = ordered([1, 0])
    with pytest.raises(ValueError, match="no question"):
        task.answer("left")
    with pytest.raises(ValueError, match="not what is asked"):
        RankingTask(4, ordered([0, 1, 2]).choices)
    with pytest.raises(ValueError, match="no answer"):
        RankingTask(3).undo()
