"""What the person thinks of answers: made into records, kept, and known again when the chat is resumed."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol, TypeVar, Unpack

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import Role
from chatcli.errors import StorageError, UsageError
from chatcli.feedback import records
from chatcli.feedback.records import (
    Choice,
    Comparison,
    Correction,
    Event,
    Judgement,
    JudgementFields,
    Ranking,
    Rating,
    Record,
    Retraction,
    Target,
    Thumb,
    Winner,
)
from chatcli.storage.durable import Locked
from chatcli.storage.record_search import records_about

E = TypeVar("E", bound=Event)


class Log(Protocol):
    """What keeps records: the feedback log."""

    @property
    def path(self) -> Path:
        """Its file."""
        ...

    def append(self, record: Record) -> None:
        """Keep a record; when this returns it is on the disk.

        Raises:
            StorageError: it could not be written.
        """
        ...


def _no_guideline() -> None:
    """No labelling instructions are given."""


class Judge:
    """The person who judges answers, and what they said so far.

    Every method that judges makes a record with the exact prompt and the provenance of the answers, as the
    conversation knows them: the answers may be days old, or of several models. The record is on the disk
    when the method returns. If it cannot be written the method raises, the record is remembered, counts as
    if it were written, and is tried again with the next one and by ``close``.

    Args:
        log: keeps the records; None: they last as long as this object.
        guideline: gives the version of the labelling instructions in force, None for none.
    """

    def __init__(self, log: Log | None, guideline: Callable[[], str | None] = _no_guideline) -> None:
        self._log = log
        self._guideline = guideline
        self._unsaved: list[Record] = []
        self._since = datetime.now(UTC).replace(microsecond=0)  # as conversations say when they began
        self._conversation: Conversation | None = None  # the one that ``_known`` is about
        self._known = _Known()

    @property
    def keeps(self) -> bool:
        """Whether judgements are written down at all."""
        return self._log is not None

    @property
    def unsaved(self) -> int:
        """How many records wait to be written."""
        return len(self._unsaved)

    # Judging

    def rate(
        self,
        conversation: Conversation,
        node_id: int,
        *,
        thumb: Thumb | None = None,
        score: int | None = None,
        **more: Unpack[JudgementFields],
    ) -> Rating:
        """An answer is good or bad, or so good from 1 to 10. It supersedes what was said of it before.

        Raises:
            UsageError: the message is no answer.
            ValueError: neither is given, or the score is out of range.
            StorageError: it could not be written yet.
        """
        node = answer_at(conversation, node_id)
        prompt = conversation.prompt_messages(node.parent)
        target = self._target(conversation, node_id)
        return self.keep(
            records.rating(
                prompt, node.message, target, thumb=thumb, score=score, **self._with_guideline(more)
            ),
            conversation,
        )

    def compare(
        self,
        conversation: Conversation,
        node_ids: tuple[int, int],
        *,
        winner: Winner,
        left: Literal[0, 1],
        blind: bool,
        **more: Unpack[JudgementFields],
    ) -> Comparison:
        """Which of two answers to the same message is better; ``records.Comparison`` says what is what.

        Raises:
            UsageError: a message is no answer, or they answer different messages.
            StorageError: it could not be written yet.
        """
        a, b = _alternatives(conversation, node_ids)
        return self.keep(
            records.comparison(
                conversation.prompt_messages(a.parent),
                (a.message, b.message),
                self._target(conversation, *node_ids),
                winner=winner,
                left=left,
                blind=blind,
                **self._with_guideline(more),
            ),
            conversation,
        )

    def rank(
        self,
        conversation: Conversation,
        node_ids: Sequence[int],
        *,
        ranks: Sequence[int],
        choices: Sequence[Choice] = (),
        blind: bool,
        **more: Unpack[JudgementFields],
    ) -> Ranking:
        """Answers to the same message in order; ``records.ranking`` says what is what.

        Raises:
            UsageError: as ``compare``.
            StorageError: it could not be written yet.
        """
        nodes = _alternatives(conversation, node_ids)
        return self.keep(
            records.ranking(
                conversation.prompt_messages(nodes[0].parent),
                [node.message for node in nodes],
                self._target(conversation, *node_ids),
                ranks=ranks,
                choices=choices,
                blind=blind,
                **self._with_guideline(more),
            ),
            conversation,
        )

    def correct(
        self, conversation: Conversation, node_id: int, edited_id: int, **more: Unpack[JudgementFields]
    ) -> Correction:
        """The message ``edited_id`` is what the answer should have been.

        Raises:
            UsageError: as ``compare``.
            StorageError: it could not be written yet.
        """
        node, edited = _alternatives(conversation, (node_id, edited_id))
        return self.keep(
            records.correction(
                conversation.prompt_messages(node.parent),
                node.message,
                self._target(conversation, node_id, edited_id),
                edited=edited.message.content,
                **self._with_guideline(more),
            ),
            conversation,
        )

    def retract(self, conversation: Conversation, node_id: int) -> Rating | None:
        """The rating of an answer does not count any more. Returns what it was; None: there was none.

        Raises:
            StorageError: it could not be written yet.
        """
        rating = self.rating(conversation, node_id)
        if rating is not None:
            self.keep(records.retraction(rating.id), conversation)
        return rating

    def keep(self, record: E, conversation: Conversation | None = None) -> E:
        """Write any record down, after those that wait.

        Args:
            conversation: the one it is about, so that ``rating`` knows of it.

        Raises:
            StorageError: it could not be written yet.
        """
        if self._log is not None:
            self._unsaved.append(record)  # type: ignore[arg-type]  # every event but the bases is a Record
        try:
            if conversation is not None:
                self._of(conversation).take(record)
        finally:
            self.save()
        return record

    def save(self) -> None:
        """Write what waits to be written.

        Raises:
            StorageError: something could not be written; all that could be, was.
        """
        if self._log is None:
            return
        waiting, self._unsaved = self._unsaved, []
        failure: StorageError | None = None
        for record in waiting:
            if isinstance(failure, Locked):  # another try would wait as long again
                self._unsaved.append(record)
                continue
            try:
                self._log.append(record)
            except StorageError as error:
                failure = error
                self._unsaved.append(record)
            except BaseException:
                self._unsaved.append(record)
                raise
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Try once more what could not be written.

        Raises:
            StorageError: it still cannot; says how many judgements are lost.
        """
        try:
            self.save()
        except StorageError as error:
            count = len(self._unsaved)
            what = "a judgement" if count == 1 else f"{count} judgements"
            raise StorageError(f"{what} could not be saved: {error}") from error

    # Knowing what was said

    def rating(self, conversation: Conversation, node_id: int) -> Rating | None:
        """What counts as the rating of an answer now; None: it has none, or the log cannot be read."""
        return self._of(conversation).ratings.get(node_id)

    def correction(self, conversation: Conversation, node_id: int) -> Correction | None:
        """What the person made of an answer; None: nothing, or the log cannot be read."""
        return self._of(conversation).corrections.get(node_id)

    def opposites(self, conversation: Conversation, node_id: int) -> list[Node]:
        """The other answers to the same message whose thumb is the opposite: each makes a pair with it."""
        own = self.rating(conversation, node_id)
        if own is None:
            return []
        rated = ((node, self.rating(conversation, node.id)) for node in conversation.siblings(node_id))
        return [node for node, other in rated if other is not None and other.good != own.good]

    def _of(self, conversation: Conversation) -> "_Known":
        if self._conversation is conversation:
            return self._known
        known = _Known()
        # Of a conversation that began under our eyes there is nothing in the log yet.
        complete = True
        if self._log is not None and conversation.id and conversation.started < self._since:
            try:
                for record in records_about(self._log.path, conversation.id):
                    known.take(record)
            except StorageError:  # writing says it aloud; the next question tries again
                complete = False
        for record in self._unsaved:
            if isinstance(record, Retraction) or _is_about(record, conversation):
                known.take(record)
        if complete:
            self._conversation, self._known = conversation, known
        return known

    def _target(self, conversation: Conversation, *node_ids: int) -> Target | None:
        """Where answers are; None: in a conversation that nobody can find again."""
        if self.keeps and not conversation.id:
            return None
        return Target(transcript=conversation.id, messages=node_ids)

    def _with_guideline(self, more: JudgementFields) -> JudgementFields:
        return {"guideline": self._guideline(), **more}


class _Known:
    """The judgements of one conversation that count."""

    def __init__(self) -> None:
        self.ratings: dict[int | str, Rating] = {}
        self.corrections: dict[int | str, Correction] = {}

    def take(self, record: Event) -> None:
        """A record that is later than all before."""
        if isinstance(record, Retraction):
            self.ratings = {m: r for m, r in self.ratings.items() if r.id != record.retracts}
            self.corrections = {m: r for m, r in self.corrections.items() if r.id != record.retracts}
        elif isinstance(record, Rating) and record.target is not None:
            self.ratings[record.target.messages[0]] = record
        elif isinstance(record, Correction) and record.target is not None:
            self.corrections[record.target.messages[0]] = record


def answer_at(conversation: Conversation, node_id: int) -> Node:
    """An answer of a conversation.

    Raises:
        UsageError: there is no such message, or it is no answer.
    """
    node = conversation.node(node_id)
    if node.message.role is not Role.ASSISTANT:
        raise UsageError(f"message {node_id} is not an answer; answers are what is judged")
    return node


def _alternatives(conversation: Conversation, node_ids: Sequence[int]) -> list[Node]:
    nodes = [answer_at(conversation, node_id) for node_id in node_ids]
    if len({node.parent for node in nodes}) != 1:
        raise UsageError("these answers are not to the same message, so they cannot be compared")
    return nodes


def _is_about(record: Record, conversation: Conversation) -> bool:
    target = record.target if isinstance(record, Judgement) else None
    return target is not None and target.transcript == conversation.id
