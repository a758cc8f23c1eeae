"""The records of the feedback log: what was judged, by whom, and how. docs/feedback.md says it in words.

Records are frozen and stand alone: each holds the exact messages the model saw and each answer with its
provenance. Make them with ``rating``, ``comparison``, ``ranking``, ``correction`` and ``retraction``;
``feedback.codec`` writes and reads them; ``feedback.judgements`` says which of them still count.
"""

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypedDict, Unpack

from msgspec import Meta

from chatcli.chat.message import Message
from chatcli.feedback.answers import Answer, Model, Part, PromptMessage, answer_of, prompt_of

#: The version of the format that is written.
SCHEMA = 1
#: The least score, of 1 to 10, that counts as a thumb up where no thumb was given.
LEAST_GOOD_SCORE = 6

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_RANDOM_LENGTH = 6

Thumb = Literal[-1, 1]
#: Left and right are what the judge saw; both_bad: neither is good enough.
Winner = Literal["left", "right", "tie", "both_bad"]
Reasons = tuple[str, ...]


class Judge(Part, frozen=True, kw_only=True):
    """Who judged.

    Attributes:
        by: a person, or a model.
        name: of the person, where several judge (imported data); None: whoever uses this machine.
        model: the judge's model, if ``by`` is ``ai``.
        principle: what the model was told to judge by.
    """

    by: Literal["human", "ai"] = "human"
    name: str | None = None
    model: Model | None = None
    principle: str | None = None

    def __post_init__(self) -> None:
        if self.by == "ai" and self.model is None:
            raise ValueError("an AI judge needs its model")


HUMAN = Judge()


class Target(Part, frozen=True, kw_only=True):
    """Where the judged answers are, so that a later judgement of the same supersedes an earlier one.

    Attributes:
        transcript: id of the conversation; for what has none, any name that is its own (``arena:RUN``).
        messages: ids of the judged answers in it, in the order of the record's answers. After the corrected
            answer of a correction, the id of the edited one may follow.
    """

    transcript: str
    messages: Annotated[tuple[int | str, ...], Meta(min_length=1)]


class Event(Part, frozen=True, kw_only=True, tag_field="kind"):
    """What all records have.

    Attributes:
        schema: version of the format.
        id: unique, and sorted by time as text.
        time: when it was judged; timezone-aware.
        origin: where: ``chat``, ``rate``, ``arena`` or ``import:NAME``.
        judge: who judged.
        foreign_id: what an imported record was called where it came from.
        guideline: sha256 of the labelling instructions the judge was given, hex.
        replaces: id of the event that this one is an edit of.
        comment: free words of the judge's.
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


class Judgement(Event, frozen=True, kw_only=True):
    """An event that says something about answers.

    Attributes:
        prompt: the messages the model saw, the system prompt included, up to the answers.
        target: where the answers are; None: nowhere but in this record.
        reasons: words of ``feedback.reasons``; foreign ones are kept as they are.
        tags: free labels.
    """

    prompt: Annotated[tuple[PromptMessage, ...], Meta(min_length=1)]
    target: Target | None = None
    reasons: Reasons = ()
    tags: tuple[str, ...] = ()


class Rating(Judgement, frozen=True, kw_only=True, tag="rating"):
    """An answer is good or bad, or so good on a scale of 1 to 10; at least one of the two."""

    answer: Answer
    thumb: Thumb | None = None
    score: Annotated[int, Meta(ge=1, le=10)] | None = None

    def __post_init__(self) -> None:
        if self.thumb is None and self.score is None:
            raise ValueError("a rating needs a thumb or a score")

    @property
    def good(self) -> bool:
        """The thumb; where none was given, whether the score is at least ``LEAST_GOOD_SCORE``."""
        return self.thumb == 1 if self.thumb is not None else (self.score or 0) >= LEAST_GOOD_SCORE


class Comparison(Judgement, frozen=True, kw_only=True, tag="comparison"):
    """Which of two answers is better.

    Attributes:
        answers: A and B.
        left: which of them was shown on the left (or first): 0 for A, 1 for B.
        winner: the side that won.
        blind: the judge did not know which model answered what.
    """

    answers: tuple[Answer, Answer]
    winner: Winner
    left: Literal[0, 1]
    blind: bool

    @property
    def better(self) -> int | None:
        """Index of the answer that won; None: none did."""
        if self.winner == "left":
            return self.left
        return 1 - self.left if self.winner == "right" else None


class Choice(Part, frozen=True, kw_only=True):
    """A pairwise choice on the way to a ranking: the indices of the answers shown, and which was better."""

    left: Annotated[int, Meta(ge=0)]
    right: Annotated[int, Meta(ge=0)]
    winner: Literal["left", "right", "tie"]


class Ranking(Judgement, frozen=True, kw_only=True, tag="ranking"):
    """Several answers in order.

    Attributes:
        ranks: of each answer; 1 is the best, equal ranks are ties, no rank is left out.
        choices: the pairwise choices that were made, in their order.
        blind: the judge did not know which model answered what.
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
    """An answer, and what it should have been.

    Attributes:
        answer: the original.
        edited: the words as they should be.
    """

    answer: Answer
    edited: str


class Retraction(Event, frozen=True, kw_only=True, tag="retraction"):
    """An earlier event does not count any more; ``retracts`` is its id."""

    retracts: Annotated[str, Meta(min_length=1)]


Record = Rating | Comparison | Ranking | Correction | Retraction


def answers_in(record: Event) -> tuple[Answer, ...]:
    """The model's answers that a record judges; none in a retraction."""
    if isinstance(record, (Rating, Correction)):
        return (record.answer,)
    return record.answers if isinstance(record, (Comparison, Ranking)) else ()


class EventFields(TypedDict, total=False):
    """What every constructor takes besides its own arguments; the meaning is that of ``Event``.

    ``origin`` is ``chat``, ``time`` now, and ``id`` a new one unless given.
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
    """What the constructors of judgements take besides; the meaning is that of ``Judgement``."""

    reasons: Reasons
    tags: tuple[str, ...]


def new_id(time: datetime) -> str:
    """An id for an event of that time, as ``20261120-221403-123456-k7qxd2``: sorts by time."""
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
    """A thumb, a score of 1 to 10, or both.

    Args:
        messages: what the model saw.
        answer: what it answered.
        target: where the answer is.

    Raises:
        ValueError: neither is given, or the score is out of range.
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
    """Which of two answers is better; see ``Comparison`` for the arguments."""
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
    """Answers in order.

    Args:
        ranks: a number for each answer, smaller is better, equal ones are ties; numbered anew from 1.
        choices: the pairwise choices that led there.

    Raises:
        ValueError: not a rank for each answer, or fewer than two answers.
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
    """An answer and the words it should have been."""
    return Correction(
        **_whole(more), prompt=prompt_of(messages), target=target, answer=answer_of(answer), edited=edited
    )


def retraction(retracts: str, **more: Unpack[EventFields]) -> Retraction:
    """The event with the id ``retracts`` does not count any more."""
    return Retraction(**_whole(more), retracts=retracts)


def _whole(given: EventFields) -> dict[str, Any]:
    """The fields of an event, those that were not given filled in."""
    fields = {"schema": SCHEMA, "origin": "chat", **given}
    time = given.get("time") or datetime.now(UTC)
    return {**fields, "time": time.astimezone(UTC), "id": given.get("id") or new_id(time)}
