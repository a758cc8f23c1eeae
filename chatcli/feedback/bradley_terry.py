"""Strengths of models from duels between them: Bradley and Terry's model, Biometrika 39 (1952).

A beats B with the probability 1 / (1 + exp(strength of B - strength of A)). Strengths are the maximum of
the likelihood less ``penalty / 2`` times the sum of their squares. A tie, and both being bad, counts as
half a win for each. The penalty is a normal prior around 0; it keeps the strength of one who won or lost
everything finite, and hardly moves others. Strengths sum to 0 and compare only within a group that duels
connect.

The same as logistic regression without an intercept on rows with +1 for one and -1 for the other, C =
1/penalty.
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

_SHORTEST_STEP = 1e-12  # of a strength; below it the maximum is found
_MOST_STEPS = 100
_LONGEST_STEP = 4.0  # of a strength, in one step; Newton's leaves the region where it converges otherwise


class Duel(NamedTuple):
    """One comparison between two competitors.

    Attributes:
        left, right: who was shown where.
        winner: the side that won; tie: none did.
    """

    left: str
    right: str
    winner: Literal["left", "right", "tie"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One competitor's place.

    Attributes:
        strength: log odds of beating one of strength 0.
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
    """Who answered: the model, and the beginning of its adapter's hash."""
    model = answer.provenance.model if answer.provenance else None
    if model is None:
        return "unknown"
    return f"{model.name}+{model.adapter[:8]}" if model.adapter else model.name


def duel_of(record: Comparison, name: Callable[[Answer], str] = competitor) -> Duel | None:
    """The duel of a comparison; None if both answers are of the same competitor."""
    left, right = (name(record.answers[i]) for i in (record.left, 1 - record.left))
    if left == right:
        return None
    return Duel(left, right, record.winner if record.winner in ("left", "right") else "tie")


def win_matrix(duels: Iterable[Duel], names: Sequence[str]) -> list[list[float]]:
    """How often each (row) beat each other (column); a tie is half a win for both."""
    index = {name: i for i, name in enumerate(names)}
    wins = [[0.0] * len(names) for _ in names]
    for (left, right, winner), count in Counter(duels).items():
        i, j = index[left], index[right]
        share = {"left": 1.0, "right": 0.0, "tie": 0.5}[winner]
        wins[i][j] += share * count
        wins[j][i] += (1 - share) * count
    return wins


def strengths(wins: Sequence[Sequence[float]], penalty: float = PENALTY) -> list[float]:
    """The strengths for a matrix of wins, by Newton's method.

    Args:
        wins: as ``win_matrix`` gives it, n by n.
        penalty: of the squares; 0 is plain maximum likelihood.

    Raises:
        ValueError: ``penalty`` is 0, and some strength would be infinite: somebody, or some group, never
            lost to or never met the others.
    """
    if penalty <= 0 and len(wins) > 1 and not _strongly_connected(wins):
        raise ValueError(
            "without a penalty some strengths are infinite: not everybody beat and lost to others"
        )
    return _newton(wins, penalty, [0.0] * len(wins))


def groups(wins: Sequence[Sequence[float]]) -> list[int]:
    """For each competitor the number of its group: those that a chain of duels connects."""
    number = [-1] * len(wins)
    for start in range(len(wins)):
        if number[start] < 0:
            for member in _reached(start, lambda i, j: wins[i][j] + wins[j][i] > 0, len(wins)):
                number[member] = max(number[:start], default=-1) + 1
    return number


def leaderboard(
    duels: Sequence[Duel], *, penalty: float = PENALTY, rounds: int = ROUNDS, seed: int = 0
) -> list[Standing]:
    """Everybody's place, the strongest first.

    Args:
        rounds: how often the duels are drawn again, with replacement, for the intervals.
        seed: of these draws; the same duels and seed give the same intervals.
    """
    names = sorted({name for duel in duels for name in duel[:2]})
    wins = win_matrix(duels, names)
    best = strengths(wins, penalty)
    rng = random.Random(seed)
    drawn = []
    for _ in range(rounds):
        again = win_matrix(rng.choices(duels, k=len(duels)), names) if duels else wins
        drawn.append(_newton(again, max(penalty, 1e-6), best))  # a draw may leave somebody without a loss
    counts = _results(duels)
    group = groups(wins)
    standings = []
    for i, name in enumerate(names):
        low, high = _interval([draw[i] for draw in drawn], best[i])
        standings.append(Standing(name, best[i], low, high, *counts[name], group[i]))
    return sorted(standings, key=lambda s: (s.group, -s.strength, s.name))


def position_bias(duels: Iterable[Duel]) -> Proportion:
    """In how many of the decided duels the left one won; without bias, about half."""
    won = Counter(duel.winner for duel in duels)
    return Proportion(won["left"], won["left"] + won["right"])


def _results(duels: Iterable[Duel]) -> dict[str, tuple[int, int, int]]:
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


def _newton(wins: Sequence[Sequence[float]], penalty: float, start: Sequence[float]) -> list[float]:
    n, at = len(wins), list(start)
    if not n:
        return at
    pairs = [(i, j) for i in range(n) for j in range(i) if wins[i][j] + wins[j][i] > 0]
    for _ in range(_MOST_STEPS):
        gradient = [-penalty * s for s in at]
        # 1/n everywhere holds the sum at 0, which nothing else does without a penalty.
        curvature = [[1 / n + (penalty if i == j else 0.0) for j in range(n)] for i in range(n)]
        for i, j in pairs:
            games = wins[i][j] + wins[j][i]
            chance = 1 / (1 + math.exp(max(-700.0, min(700.0, at[j] - at[i]))))
            surplus, weight = wins[i][j] - games * chance, games * chance * (1 - chance)
            gradient[i] += surplus
            gradient[j] -= surplus
            curvature[i][i] += weight
            curvature[j][j] += weight
            curvature[i][j] -= weight
            curvature[j][i] -= weight
        step = _solve(curvature, gradient)
        longest = max(map(abs, step))
        if longest < _SHORTEST_STEP:
            break
        scale = min(1.0, _LONGEST_STEP / longest)
        at = [s + scale * d for s, d in zip(at, step, strict=True)]
    return at


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """The solution of a positive definite system, by elimination; the arguments are used up."""
    n = len(right)
    for k in range(n):
        for i in range(k + 1, n):
            factor = matrix[i][k] / matrix[k][k]
            if factor:
                right[i] -= factor * right[k]
                matrix[i] = [a - factor * b for a, b in zip(matrix[i], matrix[k], strict=True)]
    for k in reversed(range(n)):
        known = sum(matrix[k][j] * right[j] for j in range(k + 1, n))
        right[k] = (right[k] - known) / matrix[k][k]
    return right


def _strongly_connected(wins: Sequence[Sequence[float]]) -> bool:
    n = len(wins)
    return (
        len(_reached(0, lambda i, j: wins[i][j] > 0, n)) == n
        and len(_reached(0, lambda i, j: wins[j][i] > 0, n)) == n
    )


def _reached(start: int, linked: Callable[[int, int], bool], n: int) -> set[int]:
    reached, pending = {start}, [start]
    while pending:
        at = pending.pop()
        new = [i for i in range(n) if i not in reached and linked(at, i)]
        reached.update(new)
        pending += new
    return reached
