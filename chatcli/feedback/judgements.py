"""Which of the recorded judgements count now.

Of several judgements of the same kind, of the same answers, by the same judge, the last one in the log
counts; a retraction ends the event it names, an edit the event it replaces. What ended does not come back:
after the retraction of the last rating of an answer, the answer is unrated. The log keeps everything.

Read from its end, a log says this at once: whether an event counts depends on later ones only. What must be
remembered is a number for each thing that was judged, never a record.
"""

import hashlib
from enum import StrEnum

import msgspec

from chatcli.feedback.answers import prompt_key
from chatcli.feedback.codec import decode, encode
from chatcli.feedback.records import Correction, Judgement, Record, answers_in


class Fate(StrEnum):
    """What became of an event."""

    LIVE = "live"
    SUPERSEDED = "superseded"  # the same was judged again
    EDITED = "edited"  # a later event replaces it
    RETRACTED = "retracted"
    MARK = "mark"  # a retraction itself: it judges nothing


class _Named(msgspec.Struct, gc=False):
    name: str = ""


class _Judge(msgspec.Struct, gc=False):
    by: str = "human"
    name: str | None = None
    model: _Named | None = None
    principle: str | None = None


class _Target(msgspec.Struct, gc=False):
    transcript: str
    messages: tuple[int | str, ...]


class Trace(msgspec.Struct, gc=False):
    """The fields of an event that decide which events count; those it has besides are passed over.

    A whole record takes three times as long to decode.
    """

    kind: str
    id: str
    origin: str = ""
    judge: _Judge | None = None
    foreign_id: str | None = None
    target: _Target | None = None
    replaces: str | None = None
    retracts: str | None = None


_TRACE = msgspec.json.Decoder(Trace)


def decode_trace(line: bytes) -> Trace:
    """The trace of a line of the log.

    Raises:
        ValueError: it is not a record.
        RecursionError: it is nested too deeply.
    """
    return located(_TRACE.decode(line), line)


def trace_of(record: Record) -> Trace:
    """The trace of a record."""
    return decode_trace(encode(record))


def located(trace: Trace, line: bytes) -> Trace:
    """The trace with a target: of a judgement without one, its foreign id, or else its very content."""
    if trace.target is None and trace.retracts is None:
        if trace.foreign_id is not None:
            trace.target = _Target(trace.origin, (trace.foreign_id,))
        else:
            trace.target = _Target("", (content_key(decode(line)),))
    return trace


def content_key(record: Record) -> str:
    """What tells judged answers apart where nothing says where they are: SHA-256 of prompt and answers."""
    if not isinstance(record, Judgement):
        return ""
    texts = sorted((a.content, a.reasoning or "") for a in answers_in(record))
    if isinstance(record, Correction):
        texts = texts[:1]
    return hashlib.sha256(msgspec.json.encode([prompt_key(record.prompt), texts])).hexdigest()


def subject(trace: Trace, *, of_any_judge: bool = False) -> int:
    """A number, the same within this process, for what was judged: kind, answers and judge.

    64 bits: among a million judgements two share one with a probability of 3e-8.
    """
    target, judge = trace.target, trace.judge
    if target is None:
        raise ValueError("a retraction has no subject")
    messages = target.messages[:1] if trace.kind == "correction" else target.messages
    if len(messages) > 1:  # in any order; a frozenset of small numbers would hash 1 pair in 270 like another
        messages = tuple(sorted(messages, key=lambda m: (str(m), isinstance(m, str))))
    if judge is None or of_any_judge:
        return hash((trace.kind, target.transcript, messages))
    model = judge.model.name if judge.model else None
    by = (
        None if judge.by == "human" and judge.name is None else (judge.by, judge.name, model, judge.principle)
    )
    return hash(
        (trace.kind, target.transcript, messages, by) if by else (trace.kind, target.transcript, messages)
    )


class Succession:
    """Says what became of events that are given newest first."""

    def __init__(self) -> None:
        self._judged: set[int] = set()
        self._ended: dict[str, Fate] = {}

    def fate(self, event: Trace) -> Fate:
        """What became of an event. All events after it in the log must have been given before, once each."""
        ended = self._ended.pop(event.id, None)
        if event.retracts is not None:
            self._ended.setdefault(event.retracts, Fate.RETRACTED)
            return Fate.MARK
        if event.replaces is not None:
            self._ended.setdefault(event.replaces, Fate.EDITED)
        about = subject(event)
        known = about in self._judged
        self._judged.add(about)
        if ended is not None:
            return ended
        return Fate.SUPERSEDED if known else Fate.LIVE
