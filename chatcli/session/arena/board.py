"""The standings of the contenders of blind duels, from the feedback log."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chatcli.feedback.answers import Answer
from chatcli.feedback.bradley_terry import (
    PairedResult,
    Standing,
    competitor,
    leaderboard,
    position_bias,
    result_of,
    win_matrix,
)
from chatcli.feedback.records import Comparison, Judgement
from chatcli.feedback.statistics import Proportion
from chatcli.session.arena.arena import PREFIX

_HASH_LENGTH = 8
_STANDING = ("name", "strength", "low", "high", "elo", "wins", "losses", "ties", "group")


class Names:
    """Names the contenders by what differs: the model, else its file, else its parameters.

    Answers of one model with different parameters, or with and without reasoning, are two contenders; so
    are answers of two files with one name. The seed does not count.
    """

    def __init__(self, answers: Iterable[Answer]) -> None:
        given: dict[str, list[Answer]] = {}
        for answer in answers:
            given.setdefault(competitor(answer), []).append(answer)
        self._ambiguous = {name for name, all_ in given.items() if len(set(map(_sha256, all_))) > 1}
        self._varied = {name: _varied([_parameters(a) for a in all_]) for name, all_ in given.items()}

    def __call__(self, answer: Answer) -> str:
        """The name of the contender that gave an answer."""
        name = competitor(answer)
        parts = [name]
        if name in self._ambiguous:
            parts.append(f"#{_sha256(answer)[:_HASH_LENGTH]}")
        varied = self._varied.get(name, set())
        parts += [f"{p}={v}" for p, v in _parameters(answer).items() if p in varied]
        return " ".join(parts)


def _varied(made: Sequence[dict[str, Any]]) -> set[str]:
    """The parameters that differ; one that only some answers have differs too."""
    names = {name for parameters in made for name in parameters}
    return {name for name in names if len({str(parameters.get(name, "")) for parameters in made}) > 1}


@dataclass(frozen=True, slots=True)
class Board:
    """The standings of an arena.

    Attributes:
        matrix: for each standing, in that order, how often it beat each other; a tie is half a win.
        both_bad: number of duels in which neither answer was good.
        alike: further comparisons, of answers that cannot be told apart by their records; not counted.
        bias: share of the decided duels that the left answer won.
    """

    standings: tuple[Standing, ...]
    matrix: tuple[tuple[float, ...], ...]
    duels: int
    both_bad: int
    alike: int
    bias: Proportion


def comparisons(records: Iterable[Judgement], *, run: str = "", everything: bool = False) -> list[Comparison]:
    """The blind comparisons for a board."""
    found = []
    for record in records:
        if not isinstance(record, Comparison) or not record.blind:
            continue
        target = record.target.transcript if record.target is not None else ""
        if (everything and not run) or target.startswith(PREFIX + run):
            found.append(record)
    return found


def board_of(records: Sequence[Comparison]) -> Board:
    """Compute the board of some comparisons."""
    name = Names(answer for record in records for answer in record.answers)
    duels: list[PairedResult] = []
    both_bad = 0
    for record in records:
        duel = result_of(record, name)
        if duel is not None:
            duels.append(duel)
            both_bad += record.winner == "both_bad"
    standings = leaderboard(duels)
    matrix = win_matrix(duels, [s.name for s in standings])
    return Board(
        tuple(standings),
        tuple(tuple(row) for row in matrix),
        len(duels),
        both_bad,
        len(records) - len(duels),
        position_bias(duels),
    )


def board_record(board: Board) -> dict[str, Any]:
    """The board as a JSON object."""
    names = [standing.name for standing in board.standings]
    low, high = board.bias.interval
    return {
        "duels": board.duels,
        "both_bad": board.both_bad,
        "alike": board.alike,
        "standings": [{name: getattr(s, name) for name in _STANDING} for s in board.standings],
        "wins": {
            name: dict(zip(names, row, strict=True)) for name, row in zip(names, board.matrix, strict=True)
        },
        "left_wins": {"won": board.bias.part, "decided": board.bias.whole, "low": low, "high": high},
    }


def _sha256(answer: Answer) -> str:
    model = answer.provenance.model if answer.provenance else None
    return (model.sha256 if model else None) or ""


def _parameters(answer: Answer) -> dict[str, Any]:
    provenance = answer.provenance
    if provenance is None:
        return {}
    given: dict[str, Any] = dict(provenance.parameters or {})
    given.pop("seed", None)
    if provenance.model is not None and provenance.model.context_size:
        given["ctx_size"] = provenance.model.context_size
    if provenance.thinking is not None:
        given["think"] = str(provenance.thinking).lower()  # as typed for a contender
    return given
