"""Statistics of a log of judgements: counts, balance, models, reasons, days, agreement, and known biases."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC
from itertools import combinations
from typing import Any, NamedTuple

import msgspec

from chatcli.feedback.answers import Answer
from chatcli.feedback.judgements import Fate, Succession, subject, trace_of
from chatcli.feedback.records import Comparison, Judgement, Ranking, Rating, Record, kind_of

_Z = 1.959963984540054  # 97.5% quantile of the normal distribution


class Proportion(NamedTuple):
    """``part`` of ``whole`` cases."""

    part: float
    whole: int

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None if there are no cases."""
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% score interval of Wilson (JASA 22, 1927), right for few cases and for shares of 0 and 1."""
        n = self.whole
        if not n:
            return 0.0, 1.0
        share, square = self.part / n, _Z * _Z
        middle = (share + square / (2 * n)) / (1 + square / n)
        half = _Z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)


_NO_CASES = Proportion(0, 0)
UNKNOWN_MODEL = "unknown"


@dataclass(slots=True)
class ModelCount:
    """How one model's answers were judged."""

    good: int = 0
    bad: int = 0
    won: int = 0
    lost: int = 0
    tied: int = 0


@dataclass(slots=True)
class Statistics:
    """The counts of a log. All but the first two are of the judgements that count.

    Attributes:
        fates: events by fate.
        damaged: number of lines that cannot be read.
        kinds: judgements by kind.
        judges: judgements by ``human`` or ``ai``.
        origins: judgements by origin.
        outcomes: comparisons by outcome: decided, tie, both_bad.
        left_won: share of the decided comparisons that the left answer won.
        models: counts by name of the model.
        good_reasons, bad_reasons: how often each reason was given with a good and with a bad rating.
        days: judgements by date (UTC).
        good, bad: number of ratings.
        good_length, bad_length: total characters of the answers rated good and bad.
        longer_won: share of the pairs, of answers of different length and quality, that the longer one won.
        repeated: of the ratings and comparisons that were made again, or by another judge, the share that
            agrees with the last one.
    """

    fates: Counter[str] = field(default_factory=Counter)
    damaged: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    judges: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    left_won: Proportion = _NO_CASES
    models: dict[str, ModelCount] = field(default_factory=dict)
    good_reasons: Counter[str] = field(default_factory=Counter)
    bad_reasons: Counter[str] = field(default_factory=Counter)
    days: Counter[str] = field(default_factory=Counter)
    good: int = 0
    bad: int = 0
    good_length: int = 0
    bad_length: int = 0
    longer_won: Proportion = _NO_CASES
    repeated: Proportion = _NO_CASES

    @property
    def balance(self) -> Proportion:
        """The share of good ratings."""
        return Proportion(self.good, self.good + self.bad)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        for name in ("left_won", "longer_won", "repeated", "balance"):
            proportion: Proportion = getattr(self, name)
            values[name] = {
                "part": proportion.part,
                "of": proportion.whole,
                "share": proportion.share,
                "interval": list(proportion.interval),
            }
        return values


def statistics_of(records: Iterable[Record | None]) -> Statistics:
    """The statistics of a log.

    Args:
        records: all records, newest first; None is a line that cannot be read.
    """
    counting = _Counting()
    for record in records:
        counting.add(record)
    return counting.finish()


class _Counting:
    def __init__(self) -> None:
        self._succession = Succession()
        self._verdicts: dict[int, int] = {}  # the last verdict of each subject
        self._agreed = self._repeats = 0
        self._left_won = self._longer_won = self._lengths_differ = 0
        self._found = Statistics()

    def add(self, record: Record | None) -> None:
        found = self._found
        if record is None:
            found.damaged += 1
            return
        fate = self._succession.fate(trace_of(record))
        found.fates[fate] += 1
        if not isinstance(record, Judgement) or fate not in (Fate.LIVE, Fate.SUPERSEDED):
            return
        self._compare_with_last(record)
        if fate is Fate.SUPERSEDED:
            return
        found.kinds[kind_of(record)] += 1
        found.judges[record.judge.by] += 1
        found.origins[record.origin] += 1
        found.days[record.time.astimezone(UTC).date().isoformat()] += 1
        if isinstance(record, Rating):
            self._count_rating(record)
        elif isinstance(record, Comparison):
            self._count_comparison(record)
        elif isinstance(record, Ranking):
            for (a, x), (b, y) in combinations(zip(record.answers, record.ranks, strict=True), 2):
                self._count_pair(a, b, y - x)

    def finish(self) -> Statistics:
        found = self._found
        found.left_won = Proportion(self._left_won, found.outcomes["decided"])
        found.longer_won = Proportion(self._longer_won, self._lengths_differ)
        found.repeated = Proportion(self._agreed, self._repeats)
        return found

    def _count_rating(self, record: Rating) -> None:
        found, model = self._found, self._model(record.answer)
        if record.good:
            found.good_reasons.update(record.reasons)
            found.good += 1
            found.good_length += len(record.answer.content)
            model.good += 1
        else:
            found.bad_reasons.update(record.reasons)
            found.bad += 1
            found.bad_length += len(record.answer.content)
            model.bad += 1

    def _count_comparison(self, record: Comparison) -> None:
        if record.better is None:
            self._found.outcomes[record.winner] += 1
            for answer in record.answers:
                self._model(answer).tied += 1
            return
        self._found.outcomes["decided"] += 1
        self._left_won += record.winner == "left"
        self._count_pair(*record.answers, 1 if record.better == 0 else -1)

    def _count_pair(self, a: Answer, b: Answer, better: int) -> None:
        """``better`` is above 0 if the first answer is better, below 0 if the second is, 0 in a tie."""
        if better < 0:
            a, b = b, a
        if better:
            self._model(a).won += 1
            self._model(b).lost += 1
            self._lengths_differ += len(a.content) != len(b.content)
            self._longer_won += len(a.content) > len(b.content)
        else:
            self._model(a).tied += 1
            self._model(b).tied += 1

    def _model(self, answer: Answer) -> ModelCount:
        return self._found.models.setdefault(answer.model_name or UNKNOWN_MODEL, ModelCount())

    def _compare_with_last(self, record: Judgement) -> None:
        verdict = 0
        if isinstance(record, Rating):
            verdict = 1 if record.good else -1
        elif not isinstance(record, Comparison) or record.target is None:
            return
        elif record.better is not None:
            messages = record.target.messages
            # of the same two answers, whichever was A
            won = len(messages) == 2 and messages[record.better] == max(messages, key=str)
            verdict = 1 if won else -1
        key = subject(record, of_any_judge=True)
        if key not in self._verdicts:
            self._verdicts[key] = verdict
            return
        self._repeats += 1
        self._agreed += verdict == self._verdicts[key]
