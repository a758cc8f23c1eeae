"""What an export reads of a judgement, and which judgements its rules let through.

A million whole records take a minute to decode; the fields below a third of that. Both passes of an export
use them, so that what the first counts, the second writes.
"""

from datetime import datetime
from typing import Literal

import msgspec

from chatcli.datasets.derivation_rules import Rules
from chatcli.feedback.judgements import Trace
from chatcli.feedback.records import LEAST_GOOD_SCORE

#: Places of answers that were judged alone: 1 is what the best answer of several has, too.
GOOD, BAD = 1, 2
_WHOLE = frozenset({None, "end", "stop"})


class SketchedPicture(msgspec.Struct, gc=False, frozen=True):
    """Which picture a message shows."""

    sha256: str


class Said(msgspec.Struct, gc=False, omit_defaults=True):
    """A message of a prompt."""

    role: str
    content: str
    reasoning: str | None = None
    pictures: tuple[SketchedPicture, ...] = ()


class SketchedModel(msgspec.Struct, gc=False, frozen=True):
    """Which weights answered."""

    name: str
    file: str | None = None
    adapter: str | None = None
    template: str | None = None


class _Provenance(msgspec.Struct, gc=False):
    model: SketchedModel | None = None
    finish_reason: str | None = None


class SketchedAnswer(msgspec.Struct, gc=False):
    """What was answered, by whom, and whether to the end."""

    content: str
    reasoning: str | None = None
    provenance: _Provenance | None = None

    @property
    def model(self) -> SketchedModel | None:
        """Which weights answered, where that is known."""
        return self.provenance.model if self.provenance else None

    @property
    def whole(self) -> bool:
        """Not truncated, interrupted or failed. What is not known is taken for whole."""
        return self.provenance is None or self.provenance.finish_reason in _WHOLE


class Sketch(Trace, gc=False, kw_only=True):
    """A judgement as an export sees it; the fields are those of the records."""

    time: datetime
    prompt: tuple[Said, ...] = ()
    answer: SketchedAnswer | None = None
    answers: tuple[SketchedAnswer, ...] = ()
    edited: str | None = None
    winner: Literal["left", "right", "tie", "both_bad"] | None = None
    left: Literal[0, 1] = 0
    ranks: tuple[int, ...] = ()
    thumb: Literal[-1, 1] | None = None
    score: int | None = None
    reasons: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    comment: str | None = None

    @property
    def pictured(self) -> bool:
        """Whether a message of the prompt shows a picture."""
        return any(m.pictures for m in self.prompt)

    @property
    def judged(self) -> tuple[SketchedAnswer, ...]:
        """The answers in the order of ``places``; the edited text of a correction is the first of two."""
        if self.answer is None:
            return self.answers
        return (self.answer,) if self.edited is None else (SketchedAnswer(self.edited), self.answer)

    @property
    def places(self) -> tuple[int, ...]:
        """Of each judged answer: 1 is the best.

        A rating is ``GOOD`` or ``BAD``; two answers that are both bad are ``BAD``, two that tie ``GOOD``.
        """
        if self.kind == "rating":
            good = self.thumb == 1 if self.thumb is not None else (self.score or 0) >= LEAST_GOOD_SCORE
            return (GOOD if good else BAD,)
        if self.kind == "comparison":
            if self.winner == "tie":
                return GOOD, GOOD
            if self.winner == "both_bad":
                return BAD, BAD
            return (1, 2) if (self.winner == "left") == (self.left == 0) else (2, 1)
        return self.ranks if self.kind == "ranking" else (GOOD, BAD)


_DECODER = msgspec.json.Decoder(Sketch)
_SOURCE = {"rating": "thumbs", "comparison": "comparison", "ranking": "ranking", "correction": "edit"}


def decode_sketch(line: bytes) -> Sketch:
    """The sketch of a line of the log.

    Raises:
        ValueError: it is not a record, or its parts do not fit together.
        RecursionError: it is nested too deeply.
    """
    sketch = _DECODER.decode(line)
    if sketch.kind == "retraction":
        return sketch
    answer, kind = sketch.answer, sketch.kind
    if kind == "rating":
        sound = answer is not None and not (sketch.thumb is None and sketch.score is None)
    elif kind == "comparison":
        sound = len(sketch.answers) == 2 and sketch.winner is not None
    elif kind == "ranking":
        sound = len(sketch.answers) == len(sketch.ranks) >= 2
    else:
        sound = kind == "correction" and answer is not None and sketch.edited is not None
    if not sound or not sketch.prompt:
        raise ValueError("the record is not whole")
    return sketch


def source_of(sketch: Sketch) -> str:
    """Which of ``SOURCES`` its rows come from."""
    return _SOURCE[sketch.kind]


def prompt_hash(sketch: Sketch) -> int:
    """A number, the same within this process, for what ``prompt_key`` tells apart."""
    return hash(tuple([(m.role, m.content, m.pictures) for m in sketch.prompt]))


def text_hash(text: str) -> int:
    """A number, the same within this process, and for texts that differ in white space only."""
    return hash(" ".join(text.split()))


def refusal(
    sketch: Sketch, rules: Rules, kinds: frozenset[str] | None = None, *, pictures: bool = False
) -> str | None:
    """The rule by which a judgement does not count; None: it does.

    Args:
        kinds: of records; None: all.
        pictures: those count whose prompt has pictures.
    """
    by = "human" if sketch.judge is None else sketch.judge.by
    if rules.judges not in ("any", by):
        return "judged by a model" if by == "ai" else "judged by a person"
    if source_of(sketch) not in rules.sources:
        return "another source"
    if rules.least_score is not None and sketch.kind == "rating":
        good = sketch.places == (GOOD,)
        if good and (sketch.score or 0) < rules.least_score:
            return "rated too low"
    if (rules.since and sketch.time < rules.since) or (rules.until and sketch.time >= rules.until):
        return "another time"
    if rules.reasons and not set(rules.reasons) & set(sketch.reasons):
        return "without the reason"
    if rules.tags and not set(rules.tags) & set(sketch.tags):
        return "without the tag"
    if rules.conversations and (sketch.target is None or sketch.target.transcript not in rules.conversations):
        return "another conversation"
    if (rules.models or rules.adapters) and (reason := _refused_model(sketch, rules)):
        return reason
    if kinds is not None and sketch.kind not in kinds:
        return "another kind of judgement"
    return "prompt has pictures" if sketch.pictured and not pictures else None


def _refused_model(sketch: Sketch, rules: Rules) -> str | None:
    answers = (sketch.answer,) if sketch.answer is not None else sketch.answers
    for answer in answers:
        model = answer.model
        if rules.models and (model is None or not {model.name, model.file} & set(rules.models)):
            return "another model"
        adapter = (model.adapter if model else None) or "none"
        if rules.adapters and not any(a == adapter or adapter.startswith(a) for a in rules.adapters if a):
            return "another adapter"
    return None
