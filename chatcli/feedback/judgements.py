"""Which of the recorded judgements count now.

Of several judgements of the same kind, of the same answers, by the same judge, the last one in the log
counts. A retraction ends the event that it names. An edit ends the event that it replaces. An ended event
does not come back: after the retraction of the last rating of an answer, the answer is unrated. The log keeps
everything.

Whether an event counts depends on later events only, so events are given newest first.
"""

import hashlib
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from chatcli.feedback.answers import prompt_key
from chatcli.feedback.records import Correction, Judgement, Record, Retraction, answers_in, kind_of


class Fate(StrEnum):
    """What became of an event."""

    LIVE = "live"
    SUPERSEDED = "superseded"  # the same was judged again
    EDITED = "edited"  # a later event replaces it
    RETRACTED = "retracted"
    MARK = "mark"  # a retraction itself: it judges nothing


class Trace(NamedTuple):
    """The facts of an event that decide which events count.

    Attributes:
        subject: number of what was judged, see ``subject``; None for a retraction.
        retracts: id of the event that this one ends.
        replaces: id of the event that this one is an edit of.
    """

    id: str
    subject: int | None
    retracts: str | None = None
    replaces: str | None = None


def trace_of(record: Record) -> Trace:
    """The trace of a record."""
    if isinstance(record, Retraction):
        return Trace(record.id, None, retracts=record.retracts)
    return Trace(record.id, subject(record), replaces=record.replaces)


def subject(record: Judgement, *, of_any_judge: bool = False) -> int:
    """A number, the same within this process, for what was judged: kind, answers and judge.

    64 bits: among a million judgements two share one with a probability of 3e-8.

    Args:
        of_any_judge: judgements of the same by different judges get the same number.
    """
    kind, judge = kind_of(record), record.judge
    transcript, messages = _place(record)
    if of_any_judge or (judge.by == "human" and judge.name is None):
        return hash((kind, transcript, messages))
    model = judge.model.name if judge.model else None
    return hash((kind, transcript, messages, (judge.by, judge.name, model, judge.principle)))


def _place(record: Judgement) -> tuple[str, tuple[int | str, ...]]:
    """Transcript and messages of the judged answers; without a target the foreign id, else the content."""
    if record.target is None:
        if record.foreign_id is not None:
            return record.origin, (record.foreign_id,)
        return "", (content_key(record),)
    messages = record.target.messages
    if isinstance(record, Correction):
        messages = messages[:1]
    if len(messages) > 1:  # in any order; a frozenset of small numbers would hash 1 pair in 270 like another
        messages = tuple(sorted(messages, key=lambda m: (str(m), isinstance(m, str))))
    return record.target.transcript, messages


def content_key(record: Judgement) -> str:
    """SHA-256 of prompt and answers, in hex: identifies judged answers that have no target."""
    texts = sorted((a.content, a.reasoning or "") for a in answers_in(record))
    return hashlib.sha256(msgspec.json.encode([prompt_key(record.prompt), texts])).hexdigest()


class Succession:
    """Tells what became of events that are given newest first."""

    def __init__(self) -> None:
        self._judged: set[int] = set()
        self._ended: dict[str, Fate] = {}

    def fate(self, event: Trace) -> Fate:
        """What became of an event. All later events of the log must have been given before, once each."""
        ended = self._ended.pop(event.id, None)
        if event.retracts is not None:
            self._ended.setdefault(event.retracts, Fate.RETRACTED)
        if event.replaces is not None:
            self._ended.setdefault(event.replaces, Fate.EDITED)
        if event.subject is None:
            return Fate.MARK
        known = event.subject in self._judged
        self._judged.add(event.subject)
        if ended is not None:
            return ended
        return Fate.SUPERSEDED if known else Fate.LIVE


def fates(traces: Sequence[Trace]) -> list[Fate]:
    """What became of each event of a log, oldest first."""
    succession = Succession()
    return [succession.fate(trace) for trace in reversed(traces)][::-1]


def live(records: Iterable[Record]) -> list[Judgement]:
    """The judgements that count, of the records of a log, oldest first."""
    known = list(records)
    found = zip(known, fates([*map(trace_of, known)]), strict=True)
    return [record for record, fate in found if fate is Fate.LIVE and isinstance(record, Judgement)]
