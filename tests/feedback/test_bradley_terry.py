"""Strengths from duels, against an independent computation; what is infinite, and what cannot be compared."""

import math
import random

import numpy as np
import pytest

from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Role, user
from chatcli.feedback.answers import answer_of
from chatcli.feedback.bradley_terry import (
    PairedResult,
    competitor,
    groups,
    leaderboard,
    position_bias,
    result_of,
    strengths,
    win_matrix,
)
from chatcli.feedback.records import Winner, comparison
from chatcli.feedback.statistics import Proportion


def duels(
    names: list[str], truth: list[float], count: int, seed: int, ties: float = 0.1
) -> list[PairedResult]:
    """Random duels between competitors of known strengths."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        i, j = rng.sample(range(len(names)), 2)
        chance = 1 / (1 + math.exp(truth[j] - truth[i]))
        winner = "tie" if rng.random() < ties else "left" if rng.random() < chance else "right"
        found.append(PairedResult(names[i], names[j], winner))  # type: ignore[arg-type]
    return found


def regression(
    rows: list[PairedResult], names: list[str], penalty: float
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Logistic regression, one weighted row for each side of each duel, by reweighted least squares."""
    table = [
        ([(name == left) - (name == right) for name in names], label, share)
        for left, right, winner in rows
        for label, share in (
            (1.0, {"left": 1.0, "right": 0.0, "tie": 0.5}[winner]),
            (0.0, {"left": 0.0, "right": 1.0, "tie": 0.5}[winner]),
        )
    ]
    design, labels, weights = (np.array(column, float) for column in zip(*table, strict=True))
    beta = np.zeros(len(names))
    for _ in range(100):
        p = 1 / (1 + np.exp(-design @ beta))
        gradient = design.T @ (weights * (labels - p)) - penalty * beta
        hessian = (design * (weights * p * (1 - p))[:, None]).T @ design + penalty * np.eye(len(names))
        beta = beta + np.linalg.lstsq(hessian, gradient, rcond=None)[0]
    return beta


@pytest.mark.parametrize("penalty", [1.0, 0.01, 1e-4])
@pytest.mark.parametrize("seed", [1, 2])
def test_it_is_penalised_logistic_regression(penalty: float, seed: int) -> None:
    """The same strengths to 1e-6 from a computation that knows rows, not matrices of wins."""
    names = ["a", "b", "c", "d", "e"]
    rows = duels(names, [0.0, 0.5, 1.0, -1.0, 3.0], 300, seed)
    mine = strengths(win_matrix(rows, names), penalty)
    assert np.abs(regression(rows, names, penalty) - mine).max() < 1e-6
    assert abs(sum(mine)) < 1e-9


def test_with_hardly_a_penalty_two_have_the_odds_they_played() -> None:
    """Thirty to ten are odds of 3; ties are half a win for each."""
    first, second = strengths([[0, 30], [10, 0]], 1e-9)
    assert first - second == pytest.approx(math.log(3), abs=1e-8)
    rows = (
        [PairedResult("a", "b", "left")] * 25
        + [PairedResult("b", "a", "tie")] * 10
        + [PairedResult("b", "a", "left")] * 5
    )
    assert win_matrix(rows, ["a", "b"]) == [[0, 30], [10, 0]]


@pytest.mark.parametrize("wins", [[[0, 5], [0, 0]], [[0, 1, 0], [1, 0, 0], [0, 0, 0]], [[0, 0], [0, 0]]])
def test_the_penalty_keeps_strengths_finite(wins: list[list[float]]) -> None:
    """Of one who never lost, or never met the others."""
    assert all(map(math.isfinite, strengths(wins)))


def test_extreme_counts_converge() -> None:
    """A million to nothing, and hundreds of competitors, half of whom never met the other half."""
    a, b = strengths([[0, 1e6], [0, 0]], 1e-6)
    assert math.isfinite(a)
    assert a > b
    chance = 1 / (1 + math.exp(b - a))
    assert 1e6 * (1 - chance) == pytest.approx(1e-6 * a, rel=1e-6)  # the gradient is 0


def test_groups_that_never_met_are_told_apart() -> None:
    """Strengths compare within a group only; the board says who is in which."""
    rows = [PairedResult("a", "b", "left"), PairedResult("b", "a", "right"), PairedResult("x", "y", "left")]
    assert groups(win_matrix(rows, ["a", "b", "x", "y"])) == [0, 0, 1, 1]
    board = leaderboard(rows, rounds=20)
    assert [(s.name, s.group) for s in board] == [("a", 0), ("b", 0), ("x", 1), ("y", 1)]


def test_the_board_counts_and_covers() -> None:
    """Wins, losses and ties of each; intervals around the strength, the same for the same seed."""
    names = ["a", "b", "c"]
    rows = duels(names, [1.0, 0.0, -1.0], 200, 5)
    board = leaderboard(rows, rounds=100, seed=3)
    assert [s.name for s in board] == names
    assert sum(s.wins for s in board) == sum(s.losses for s in board) == sum(r.winner != "tie" for r in rows)
    assert sum(s.ties for s in board) == 2 * sum(r.winner == "tie" for r in rows)
    assert all(s.low < s.strength < s.high for s in board)
    assert board[0].elo > 1000 > board[2].elo
    assert leaderboard(rows, rounds=100, seed=3) == board
    assert leaderboard([]) == []


@pytest.mark.soak
def test_intervals_cover_the_truth() -> None:
    """Of 60 boards, the 95% interval of the difference to the mean holds the truth in nine of ten or more."""
    names, truth = ["a", "b", "c"], [0.8, 0.0, -0.8]
    held = 0
    for seed in range(60):
        board = {s.name: s for s in leaderboard(duels(names, truth, 150, seed, 0.0), rounds=200, seed=seed)}
        held += sum(board[n].low <= t <= board[n].high for n, t in zip(names, truth, strict=True))
    assert held >= 0.9 * 180


@pytest.mark.parametrize(("winner", "left", "wanted"), [
    ("left", 0, ("m", "n+abcdefab", "left")), ("left", 1, ("n+abcdefab", "m", "left")),
    ("right", 0, ("m", "n+abcdefab", "right")), ("both_bad", 1, ("n+abcdefab", "m", "tie")),
])  # fmt: skip
def test_a_comparison_is_a_duel_as_it_was_shown(
    winner: Winner, left: int, wanted: tuple[str, str, str]
) -> None:
    """Sides as on the screen; an adapter makes another competitor; against itself is no duel."""
    first, second = (
        Message(Role.ASSISTANT, "x", None, Generation(ModelRef(name, adapter=adapter), FinishReason.END))
        for name, adapter in (("m", ""), ("n", "abcdefabcdef"))
    )
    slot = 1 if left else 0
    record = comparison([user("q")], (first, second), winner=winner, left=slot, blind=True)  # type: ignore[arg-type]
    assert result_of(record) == wanted
    assert competitor(answer_of(Message(Role.ASSISTANT, "x"))) == "unknown"
    same = comparison([user("q")], (first, first), winner=winner, left=0, blind=True)
    assert result_of(same) is None


def test_position_bias_is_a_share_with_its_interval() -> None:
    """Of the decided duels only; 5 of 10 is 0.2366 to 0.7634 by Wilson's formula, computed by hand."""
    rows = (
        [PairedResult("a", "b", "left")] * 5
        + [PairedResult("a", "b", "right")] * 5
        + [PairedResult("a", "b", "tie")] * 7
    )
    bias = position_bias(rows)
    assert bias == Proportion(5, 10)
    assert bias.interval == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert Proportion(0, 0).interval == (0.0, 1.0)
    assert Proportion(0, 0).share is None
    assert Proportion(0, 10).interval[0] == 0.0
    assert Proportion(10, 10).interval[1] == pytest.approx(1.0)
