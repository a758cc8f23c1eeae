"""The records of the feedback log: what was judged, by whom, and how. docs/feedback.md describes the format.

Records are frozen and stand alone: each holds the exact messages that the model saw and each answer with its
provenance. Make them with ``rating``, ``comparison``, ``ranking``, ``correction`` and ``retraction``.
``feedback.codec`` writes and reads them; ``feedback.judgements`` tells which of them count.
"""

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypedDict, Unpack

from msgspec import Meta

from chatcli.chat.message import Message
from chatcli.feedback.answers import Answer, Model, PromptMessage, RecordPart, answer_of, prompt_of

#: The version of the format that is written.
SCHEMA = 1

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_RANDOM_LENGTH = 6

Thumb = Literal[-1, 1]
#: Left and right are what the judge saw; both_bad: neither is good enough.
Winner = Literal["left", "right", "tie", "both_bad"]
Reasons = tuple[str, ...]


def is_good(thumb: Thumb | None, score: int | None) -> bool:
    """Whether a rating calls an answer good: by its thumb or, without one, from a score of 6 on."""
    return thumb == 1 if thumb is not None else (score or 0) >= 6


class Judge(RecordPart, frozen=True, kw_only=True):
    """Who judged.

    Attributes:
        by: a person or a model.
        name: name of the person, where several judge (imported data); None for the user of this machine.
        model: the judging model, if ``by`` is ``ai``.
        principle: the instructions that the judging model followed.
    """

    by: Literal["human", "ai"] = "human"
    name: str | None = None
    model: Model | None = None
    principle: str | None = None

    def __post_init__(self) -> None:
        if self.by == "ai" and self.model is None:
            raise ValueError("an AI judge needs its model")


HUMAN = Judge()


class Target(RecordPart, frozen=True, kw_only=True):
    """Where the judged answers are, so that a later judgement of the same supersedes an earlier one.

    Attributes:
        transcript: id of the conversation, or a unique name of another origin (``arena:RUN``).
        messages: ids of the judged answers in it, in the order of the record's answers. In a correction the
            id of the edited answer may follow.
    """

    transcript: str
    messages: Annotated[tuple[int | str, ...], Meta(min_length=1)]


class LogEntry(RecordPart, frozen=True, kw_only=True, tag_field="kind"):
    """The fields of all records.

    Attributes:
        schema: version of the format.
        id: unique; sorts by time as text.
        time: time of the judgement, with a time zone.
        origin: ``chat``, ``rate``, ``arena`` or ``import:NAME``.
        judge: who judged.
        foreign_id: id of an imported record at its origin.
        guideline: SHA-256 of the labelling instructions in force, in hex.
        replaces: id of the event that this one is an edit of.
        comment: free text of the judge.
    """

    schema: Annotated[int, Meta(ge=1)]
    id: Annotated[str, Meta(min_length=1)]
    time: Annotated[datetime, Meta(tz=True)]
    origin: Annotated[str, Meta(min_length=1)]
    judge: Judge = HUMAN
    foreign_id: str | None = None
    guideline: str | None = None
    replaces: str | None = None
    comment: str | None = None


class Judgement(LogEntry, frozen=True, kw_only=True):
    """An event that judges answers.

    Attributes:
        prompt: the messages that the model saw, with the system prompt, up to the answers.
        target: where the answers are; None if they are in this record only.
        reasons: words of ``feedback.reasons``; others are kept as they are.
        tags: free labels.
    """

    prompt: Annotated[tuple[PromptMessage, ...], Meta(min_length=1)]
    target: Target | None = None
    reasons: Reasons = ()
    tags: tuple[str, ...] = ()


class Rating(Judgement, frozen=True, kw_only=True, tag="rating"):
    """A thumb for an answer, a score of 1 to 10, or both."""

    answer: Answer
    thumb: Thumb | None = None
    score: Annotated[int, Meta(ge=1, le=10)] | None = None

    def __post_init__(self) -> None:
        if self.thumb is None and self.score is None:
            raise ValueError("a rating needs a thumb or a score")

    @property
    def good(self) -> bool:
        """Whether the answer is good, see ``is_good``."""
        return is_good(self.thumb, self.score)


class Comparison(Judgement, frozen=True, kw_only=True, tag="comparison"):
    """Which of two answers is better.

    Attributes:
        answers: A and B.
        left: which of them was shown on the left (or first): 0 for A, 1 for B.
        winner: the side that won.
        blind: whether the names of the models were hidden from the judge.
    """

    answers: tuple[Answer, Answer]
    winner: Winner
    left: Literal[0, 1]
    blind: bool

    @property
    def better(self) -> int | None:
        """Index of the winning answer, or None."""
        if self.winner == "left":
            return self.left
        return 1 - self.left if self.winner == "right" else None


class Choice(RecordPart, frozen=True, kw_only=True):
    """A pairwise choice during a ranking: the indices of the two answers, and the better side."""

    left: Annotated[int, Meta(ge=0)]
    right: Annotated[int, Meta(ge=0)]
    winner: Literal["left", "right", "tie"]


class Ranking(Judgement, frozen=True, kw_only=True, tag="ranking"):
    """Several answers in order.

    Attributes:
        ranks: rank of each answer; 1 is the best, equal ranks are ties, no rank is left out.
        choices: the pairwise choices, in their order.
        blind: whether the names of the models were hidden from the judge.
    """

    answers: Annotated[tuple[Answer, ...], Meta(min_length=2)]
    ranks: tuple[int, ...]
    choices: tuple[Choice, ...] = ()
    blind: bool

    def __post_init__(self) -> None:
        if len(self.ranks) != len(self.answers):
            raise ValueError(f"{len(self.answers)} answers have {len(self.ranks)} ranks")
        if set(self.ranks) != set(range(1, len(set(self.ranks)) + 1)):
            raise ValueError("ranks must begin at 1 and leave none out")
        for choice in self.choices:
            if max(choice.left, choice.right) >= len(self.answers) or choice.left == choice.right:
                raise ValueError(f"a choice between the answers {choice.left} and {choice.right}")


class Correction(Judgement, frozen=True, kw_only=True, tag="correction"):
    """An answer and its correction.

    Attributes:
        answer: the original.
        edited: the corrected text.
    """

    answer: Answer
    edited: str


class Retraction(LogEntry, frozen=True, kw_only=True, tag="retraction"):
    """Ends an earlier event; ``retracts`` is its id."""

    retracts: Annotated[str, Meta(min_length=1)]


Record = Rating | Comparison | Ranking | Correction | Retraction


def kind_of(record: LogEntry) -> str:
    """The kind of a record, as in the file."""
    return str(type(record).__struct_config__.tag)


def answers_in(record: LogEntry) -> tuple[Answer, ...]:
    """The answers that a record judges; empty for a retraction."""
    if isinstance(record, (Rating, Correction)):
        return (record.answer,)
    return record.answers if isinstance(record, (Comparison, Ranking)) else ()


class EventFields(TypedDict, total=False):
    """Further arguments of all constructors, see ``LogEntry``.

    Defaults: ``origin`` is ``chat``, ``time`` is now, ``id`` is a new one.
    """

    id: str
    time: datetime
    origin: str
    judge: Judge
    foreign_id: str | None
    guideline: str | None
    replaces: str | None
    comment: str | None


class JudgementFields(EventFields, total=False):
    """Further arguments of the constructors of judgements, see ``Judgement``."""

    reasons: Reasons
    tags: tuple[str, ...]


def new_id(time: datetime) -> str:
    """A new id for an event of this time, like ``20261120-221403-123456-k7qxd2``; ids sort by time."""
    tail = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return f"{time.astimezone(UTC):%Y%m%d-%H%M%S-%f}-{tail}"


def rating(
    messages: Iterable[Message | PromptMessage],
    answer: Message | Answer,
    target: Target | None = None,
    *,
    thumb: Thumb | None = None,
    score: int | None = None,
    **more: Unpack[JudgementFields],
) -> Rating:
    """A rating: a thumb, a score of 1 to 10, or both.

    Args:
        messages: the messages that the model saw.
        answer: its answer.
        target: where the answer is.

    Raises:
        ValueError: neither thumb nor score is given, or the score is out of range.
    """
    if score is not None and not 1 <= score <= 10:
        raise ValueError(f"a score is 1 to 10, not {score}")
    return Rating(
        **_whole(more), prompt=prompt_of(messages), target=target,
        answer=answer_of(answer), thumb=thumb, score=score,
    )  # fmt: skip


def comparison(
    messages: Iterable[Message | PromptMessage],
    answers: tuple[Message | Answer, Message | Answer],
    target: Target | None = None,
    *,
    winner: Winner,
    left: Literal[0, 1],
    blind: bool,
    **more: Unpack[JudgementFields],
) -> Comparison:
    """A comparison of two answers; see ``Comparison`` for the arguments."""
    a, b = answers
    return Comparison(
        **_whole(more), prompt=prompt_of(messages), target=target,
        answers=(answer_of(a), answer_of(b)), winner=winner, left=left, blind=blind,
    )  # fmt: skip


def ranking(
    messages: Iterable[Message | PromptMessage],
    answers: Sequence[Message | Answer],
    target: Target | None = None,
    *,
    ranks: Sequence[int],
    choices: Iterable[Choice] = (),
    blind: bool,
    **more: Unpack[JudgementFields],
) -> Ranking:
    """A ranking of answers.

    Args:
        ranks: a number for each answer, smaller is better, equal ones are ties; renumbered from 1.
        choices: the pairwise choices, in their order.

    Raises:
        ValueError: fewer than two answers, or not one rank for each.
    """
    if len(answers) < 2:
        raise ValueError("a ranking needs at least two answers")
    places = {rank: place for place, rank in enumerate(sorted(set(ranks)), start=1)}
    return Ranking(
        **_whole(more), prompt=prompt_of(messages), target=target,
        answers=tuple(map(answer_of, answers)), ranks=tuple(places[rank] for rank in ranks),
        choices=tuple(choices), blind=blind,
    )  # fmt: skip


def correction(
    messages: Iterable[Message | PromptMessage],
    answer: Message | Answer,
    target: Target | None = None,
    *,
    edited: str,
    **more: Unpack[JudgementFields],
) -> Correction:
    """A correction: an answer and the corrected text."""
    return Correction(
        **_whole(more), prompt=prompt_of(messages), target=target, answer=answer_of(answer), edited=edited
    )


def retraction(retracts: str, **more: Unpack[EventFields]) -> Retraction:
    """A retraction of the event with the id ``retracts``."""
    return Retraction(**_whole(more), retracts=retracts)


def _whole(given: EventFields) -> dict[str, Any]:
    """The fields of an event, with defaults for those that are not given."""
    fields = {"schema": SCHEMA, "origin": "chat", **given}
    time = given.get("time") or datetime.now(UTC)
    return {**fields, "time": time.astimezone(UTC), "id": given.get("id") or new_id(time)}
