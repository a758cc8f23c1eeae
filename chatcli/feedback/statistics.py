"""What a log of judgements comes to: counts, balance, models, reasons, days, agreement, and known biases.

The log is counted from its end in one pass, from the few fields of each line that matter.
"""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import msgspec

from chatcli.feedback.judgements import Fate, Succession, Trace, located, subject
from chatcli.feedback.proportion import Proportion
from chatcli.feedback.records import LEAST_GOOD_SCORE

UNKNOWN_MODEL = "unknown"
_NO_CASES = Proportion(0, 0)


class _Named(msgspec.Struct, gc=False):
    name: str = UNKNOWN_MODEL


class _Provenance(msgspec.Struct, gc=False):
    model: _Named | None = None


class _Answer(msgspec.Struct, gc=False):
    content: str
    provenance: _Provenance | None = None

    @property
    def model_name(self) -> str:
        model = self.provenance.model if self.provenance else None
        return model.name if model else UNKNOWN_MODEL


class Outline(Trace, gc=False):
    """The fields of an event that are counted."""

    time: str = ""
    reasons: tuple[str, ...] = ()
    thumb: int | None = None
    score: int | None = None
    answer: _Answer | None = None
    answers: tuple[_Answer, ...] = ()
    winner: str | None = None
    left: int = 0
    ranks: tuple[int, ...] = ()

    @property
    def good(self) -> bool:
        """Of a rating, as ``Rating.good`` says it."""
        return self.thumb == 1 if self.thumb is not None else (self.score or 0) >= LEAST_GOOD_SCORE


_OUTLINE = msgspec.json.Decoder(Outline)


def decode_outline(line: bytes) -> Outline:
    """The outline of a line of the log.

    Raises:
        ValueError: it is not a record.
        RecursionError: it is nested too deeply.
    """
    outline = _OUTLINE.decode(line)
    if outline.target is None:
        located(outline, line)
    return outline


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
    """The counts of a log.

    Attributes:
        fates: of all events: how many count, and what became of the others.
        damaged: lines that cannot be read.
        kinds: judgements that count, by kind; so all the following.
        judges: by ``human`` or ``ai``.
        origins: by where they were made.
        outcomes: of comparisons: decided, tie, both_bad.
        left_won: of the decided comparisons.
        models: by the name of the model.
        good_reasons, bad_reasons: how often each was given with a good and with a bad rating.
        days: by date (UTC).
        good_length, bad_length: characters of the answers rated so, together.
        longer_won: of the pairs of answers that were not equally good nor equally long.
        repeated: of the ratings and comparisons that were made again (or by another judge), how many agree
            with the last one.
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


class Counting:
    """Counts events that are given newest first."""

    def __init__(self) -> None:
        self._succession = Succession()
        self._subjects, self._verdicts = array("q"), array("b")
        self._left_won = self._longer_won = self._lengths_differ = 0
        self._found = Statistics()

    def add(self, event: Outline | None) -> None:
        """Count an event; None is a damaged line."""
        found = self._found
        if event is None:
            found.damaged += 1
            return
        fate = self._succession.fate(event)
        found.fates[fate] += 1
        if fate is Fate.LIVE or fate is Fate.SUPERSEDED:
            self._note_verdict(event)
        if fate is not Fate.LIVE:
            return
        found.kinds[event.kind] += 1
        found.judges[event.judge.by if event.judge else "human"] += 1
        found.origins[event.origin] += 1
        found.days[event.time[:10]] += 1
        if event.kind == "rating":
            self._count_rating(event)
        elif event.kind == "comparison":
            self._count_comparison(event)
        elif event.kind == "ranking":
            for (a, x), (b, y) in combinations(zip(event.answers, event.ranks, strict=False), 2):
                self._count_pair(a, b, y - x)

    def finish(self) -> Statistics:
        """The counts; nothing can be added after."""
        found = self._found
        decided = found.outcomes["decided"]
        found.left_won = Proportion(self._left_won, decided)
        found.longer_won = Proportion(self._longer_won, self._lengths_differ)
        del self._succession  # what follows needs memory of the same size
        found.repeated = _agreement(self._subjects, self._verdicts)
        return found

    def _count_rating(self, event: Outline) -> None:
        found, answer, good = self._found, event.answer, event.good
        reasons = found.good_reasons if good else found.bad_reasons
        for reason in event.reasons:
            reasons[reason] += 1
        if answer is None:
            return
        model = self._model(answer)
        if good:
            found.good += 1
            found.good_length += len(answer.content)
            model.good += 1
        else:
            found.bad += 1
            found.bad_length += len(answer.content)
            model.bad += 1

    def _count_comparison(self, event: Outline) -> None:
        if event.winner not in ("left", "right"):
            self._found.outcomes[event.winner or ""] += 1
            for answer in event.answers:
                self._model(answer).tied += 1
            return
        self._found.outcomes["decided"] += 1
        self._left_won += event.winner == "left"
        first_won = (event.winner == "left") == (event.left == 0)
        if len(event.answers) == 2:
            self._count_pair(*event.answers, 1 if first_won else -1)

    def _count_pair(self, a: _Answer, b: _Answer, better: int) -> None:
        """``better`` is above 0 if the first is, below if the second is, 0 in a tie."""
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

    def _model(self, answer: _Answer) -> ModelCount:
        name = answer.model_name
        try:
            return self._found.models[name]
        except KeyError:
            return self._found.models.setdefault(name, ModelCount())

    def _note_verdict(self, event: Outline) -> None:
        if event.kind == "rating":
            verdict = 1 if event.good else -1
        elif event.kind == "comparison" and event.target is not None:
            if event.winner in ("left", "right"):
                winner = event.left if event.winner == "left" else 1 - event.left
                messages = event.target.messages
                # of the same two answers, whichever was A
                verdict = 1 if len(messages) == 2 and messages[winner] == max(messages, key=str) else -1
            else:
                verdict = 0
        else:
            return
        self._subjects.append(subject(event, of_any_judge=True))
        self._verdicts.append(verdict)


def _agreement(subjects: "array[int]", verdicts: "array[int]") -> Proportion:
    """How many later-judged subjects' earlier verdicts equal the last one (the first in the arrays)."""
    order = sorted(range(len(subjects)), key=subjects.__getitem__)  # stable: the newest of each comes first
    agreed = repeats = 0
    last: tuple[int, int] | None = None
    for index in order:
        about, verdict = subjects[index], verdicts[index]
        if last is None or last[0] != about:
            last = about, verdict
        else:
            repeats += 1
            agreed += verdict == last[1]
    return Proportion(agreed, repeats)
