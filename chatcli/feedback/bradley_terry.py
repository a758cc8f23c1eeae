"""Strengths of models from duels between them: the model of Bradley and Terry, Biometrika 39 (1952).

A beats B with the probability 1 / (1 + exp(strength of B - strength of A)). The strengths maximise the
likelihood less ``penalty / 2`` times the sum of their squares. A tie, and two bad answers, count as half a
win for each. The penalty is a normal prior around 0: it keeps the strength of one who won or lost
everything finite, and hardly moves others. Strengths sum to 0 and compare only within a group that duels
connect.

The result is that of logistic regression without an intercept on rows with +1 for one and -1 for the other,
with C = 1/penalty.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from chatcli.feedback.answers import Answer
from chatcli.feedback.records import Comparison
from chatcli.feedback.statistics import Proportion

PENALTY = 0.01
ROUNDS = 500
#: Points on the scale of chess ratings: 400 more are odds of 10 to 1.
ELO_PER_STRENGTH, ELO_MIDDLE = 400 / math.log(10), 1000.0

_SHORTEST_STEP = 1e-12  # change of a strength below which the maximum is found
_MOST_STEPS = 100
_LONGEST_STEP = 4.0  # change of a strength in one step; longer steps of Newton's method may diverge


class PairedResult(NamedTuple):
    """The result of one duel: the competitors on each side, and the side that won."""

    left: str
    right: str
    winner: Literal["left", "right", "tie"]


@dataclass(frozen=True, slots=True)
class Standing:
    """The place of a competitor.

    Attributes:
        strength: log odds against a competitor of strength 0.
        low, high: 95% bootstrap interval of the strength.
        group: number of the group within which strengths compare.
    """

    name: str
    strength: float
    low: float
    high: float
    wins: int
    losses: int
    ties: int
    group: int

    @property
    def elo(self) -> float:
        """The strength on the scale of chess ratings."""
        return ELO_MIDDLE + ELO_PER_STRENGTH * self.strength


def competitor(answer: Answer) -> str:
    """The competitor of an answer: the model, with the beginning of the hash of its adapter."""
    model = answer.provenance.model if answer.provenance else None
    if model is None:
        return "unknown"
    return f"{model.name}+{model.adapter[:8]}" if model.adapter else model.name


def result_of(record: Comparison, name: Callable[[Answer], str] = competitor) -> PairedResult | None:
    """The result of a comparison; None if both answers are of the same competitor."""
    left, right = (name(record.answers[i]) for i in (record.left, 1 - record.left))
    if left == right:
        return None
    return PairedResult(left, right, record.winner if record.winner in ("left", "right") else "tie")


def win_matrix(duels: Iterable[PairedResult], names: Sequence[str]) -> list[list[float]]:
    """How often each (row) beat each other (column); a tie is half a win for both."""
    index = {name: i for i, name in enumerate(names)}
    wins = [[0.0] * len(names) for _ in names]
    for (left, right, winner), count in Counter(duels).items():
        i, j = index[left], index[right]
        share = {"left": 1.0, "right": 0.0, "tie": 0.5}[winner]
        wins[i][j] += share * count
        wins[j][i] += (1 - share) * count
    return wins


def strengths(
    wins: Sequence[Sequence[float]], penalty: float = PENALTY, start: Sequence[float] | None = None
) -> list[float]:
    """The strengths for a matrix of wins, by Newton's method.

    Args:
        wins: n by n, see ``win_matrix``.
        penalty: penalty of the squares, above 0.
        start: strengths to start from.
    """
    import numpy as np

    won = np.array(wins, dtype=float).reshape(len(wins), len(wins))
    games = won + won.T
    at = np.zeros(len(wins)) if start is None else np.array(start)
    for _ in range(_MOST_STEPS if len(wins) else 0):
        chance = 1 / (1 + np.exp(np.clip(at[None, :] - at[:, None], -700, 700)))
        weight = games * chance * (1 - chance)
        gradient = (won - games * chance).sum(axis=1) - penalty * at
        # 1/n everywhere keeps the sum at 0.
        curvature = np.diag(weight.sum(axis=1) + penalty) - weight + 1 / len(wins)
        step = np.linalg.solve(curvature, gradient)
        longest = float(np.abs(step).max())
        if longest < _SHORTEST_STEP:
            break
        at = at + step * min(1.0, _LONGEST_STEP / longest)
    found: list[float] = at.tolist()
    return found


def groups(wins: Sequence[Sequence[float]]) -> list[int]:
    """For each competitor the number of its group: those that a chain of duels connects."""
    number = [-1] * len(wins)
    for start in range(len(wins)):
        if number[start] >= 0:
            continue
        group, pending = max(number) + 1, [start]
        while pending:
            at = pending.pop()
            number[at] = group
            pending += [i for i in range(len(wins)) if number[i] < 0 and wins[at][i] + wins[i][at] > 0]
    return number


def leaderboard(
    duels: Sequence[PairedResult], *, penalty: float = PENALTY, rounds: int = ROUNDS, seed: int = 0
) -> list[Standing]:
    """The places of all competitors, the strongest first.

    Args:
        rounds: number of bootstrap samples for the intervals.
        seed: seed of the samples; the same duels and seed give the same intervals.
    """
    names = sorted({name for duel in duels for name in duel[:2]})
    wins = win_matrix(duels, names)
    best = strengths(wins, penalty)
    rng = random.Random(seed)
    drawn = []
    for _ in range(rounds):
        again = win_matrix(rng.choices(duels, k=len(duels)), names) if duels else wins
        drawn.append(strengths(again, penalty, best))
    counts = _results(duels)
    group = groups(wins)
    standings = []
    for i, name in enumerate(names):
        low, high = _interval([draw[i] for draw in drawn], best[i])
        standings.append(Standing(name, best[i], low, high, *counts[name], group[i]))
    return sorted(standings, key=lambda s: (s.group, -s.strength, s.name))


def position_bias(duels: Iterable[PairedResult]) -> Proportion:
    """The share of the decided duels that the left side won; without bias, about half."""
    won = Counter(duel.winner for duel in duels)
    return Proportion(won["left"], won["left"] + won["right"])


def _results(duels: Iterable[PairedResult]) -> dict[str, tuple[int, int, int]]:
    tally: Counter[tuple[str, str]] = Counter()
    for left, right, winner in duels:
        tally[left, winner] += 1
        tally[right, {"left": "right", "right": "left", "tie": "tie"}[winner]] += 1
    return {name: (tally[name, "left"], tally[name, "right"], tally[name, "tie"]) for name, _ in list(tally)}


def _interval(values: list[float], best: float) -> tuple[float, float]:
    if not values:
        return best, best
    ordered = sorted(values)
    last = len(ordered) - 1
    return ordered[round(0.025 * last)], ordered[round(0.975 * last)]
