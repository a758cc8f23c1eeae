"""Judgements of answers: made into records, saved, and known again when a chat is resumed."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal, TypeVar, Unpack

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import Message, Role
from chatcli.errors import StorageError, UsageError
from chatcli.feedback import records
from chatcli.feedback.answers import prompt_key
from chatcli.feedback.judgements import Fate, Succession, trace_of
from chatcli.feedback.records import (
    HUMAN,
    Choice,
    Comparison,
    Correction,
    JudgementFields,
    Ranking,
    Rating,
    Record,
    Retraction,
    Target,
    Thumb,
    Winner,
)
from chatcli.session.answering import EDITS, LEFT_OUT
from chatcli.storage.feedback.log import FeedbackLog
from chatcli.words import counted

_DIGITS = 9  # of a number of messages; more digits are no count
R = TypeVar("R", bound=Record)


class AnswerJudging:
    """Records what a person says of answers, and knows what was said before.

    A record holds the exact prompt and the provenance of the answers, which may be days old or from several
    models. It is on disk when the method returns. If it cannot be written, the method raises StorageError;
    the record then counts all the same, and the next record and ``close`` try to write it again.
    """

    def __init__(self, log: FeedbackLog | None, guideline: Callable[[], str | None] = lambda: None) -> None:
        self._log = log
        self._guideline = guideline
        self._since = datetime.now(UTC).replace(microsecond=0)  # the precision of conversations' start times
        self._known: dict[str | int, _Known] = {}

    @property
    def keeps(self) -> bool:
        """Whether judgements are saved to disk."""
        return self._log is not None

    @property
    def unsaved(self) -> int:
        """Number of records that still have to be written."""
        return 0 if self._log is None else len(self._log.pending)

    # Judging. All of these raise StorageError as said above.

    def rate(
        self,
        conversation: Conversation,
        node_id: int,
        *,
        thumb: Thumb | None = None,
        score: int | None = None,
        **more: Unpack[JudgementFields],
    ) -> Rating:
        """Rate an answer good or bad, or from 1 to 10; this replaces its former rating."""
        node = answer_at(conversation, node_id)
        if EDITS in node.extra:
            raise UsageError("this text is yours; only answers of models can be rated")
        fields = self._fields(more)
        target = self._target(conversation, node_id)
        record = records.rating(
            seen_by(conversation, node), node.message, target, thumb=thumb, score=score, **fields
        )
        return self.keep(record, conversation)

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
        """Say which of two answers to a message is better (see ``records.Comparison``), else UsageError."""
        a, b = _alternatives(conversation, node_ids)
        record = records.comparison(
            seen_by(conversation, a),
            (a.message, b.message),
            self._target(conversation, *node_ids),
            winner=winner,
            left=left,
            blind=blind,
            **self._fields(more),
        )
        return self.keep(record, conversation)

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
        """Put answers to the same message in order; see ``records.ranking``. Raises as ``compare``."""
        nodes = _alternatives(conversation, node_ids)
        record = records.ranking(
            seen_by(conversation, nodes[0]),
            [node.message for node in nodes],
            self._target(conversation, *node_ids),
            ranks=ranks,
            choices=choices,
            blind=blind,
            **self._fields(more),
        )
        return self.keep(record, conversation)

    def correct(
        self, conversation: Conversation, node_id: int, edited_id: int, **more: Unpack[JudgementFields]
    ) -> Correction:
        """Say that the message ``edited_id`` is what the answer should have been. Raises as ``compare``."""
        node, edited = _alternatives(conversation, (node_id, edited_id))
        record = records.correction(
            seen_by(conversation, node),
            node.message,
            self._target(conversation, node_id, edited_id),
            edited=edited.message.content,
            **self._fields(more),
        )
        return self.keep(record, conversation)

    def retract(self, record: Rating | Correction, conversation: Conversation) -> None:
        """Take back a rating or a correction."""
        self.keep(records.retraction(record.id), conversation)

    def keep(self, record: R, conversation: Conversation | None = None) -> R:
        """Save a record after those that wait; with its conversation, ``rating`` knows of it."""
        try:
            if self._log is not None:
                self._log.append(record)
        finally:
            if conversation is not None:
                self._of(conversation).take(record)
        return record

    def close(self) -> None:
        """Try once more to write what could not be written; StorageError says how many are lost."""
        if self._log is None:
            return
        try:
            self._log.retry()
        except StorageError as error:
            raise StorageError(f"{counted(self.unsaved, 'judgement')} could not be saved: {error}") from error

    # What was said before

    def rating(self, conversation: Conversation, node_id: int) -> Rating | None:
        """The rating of an answer that counts now; None if there is none or the log cannot be read."""
        return self._of(conversation).ratings.get(node_id)

    def correction(self, conversation: Conversation, node_id: int) -> Correction | None:
        """The correction of an answer; None if there is none or the log cannot be read."""
        return self._of(conversation).corrections.get(node_id)

    def opposites(self, conversation: Conversation, node_id: int) -> list[Node]:
        """The other answers to the same prompt with the opposite thumb; each one makes a pair.

        Answers that differ in white space only are left out: they do not say which is better.
        """
        own, node = self.rating(conversation, node_id), conversation.node(node_id)
        if own is None:
            return []
        key, words = prompt_key(own.prompt), node.message.content.split()
        found = []
        for other in conversation.siblings(node_id):
            rating = self.rating(conversation, other.id)
            if rating is None or rating.good == own.good or other.message.content.split() == words:
                continue
            if prompt_key(rating.prompt) == key:
                found.append(other)
        return found

    def _of(self, conversation: Conversation) -> "_Known":
        ours = conversation.started > self._since  # begun in this run: nobody judged it before
        key = conversation.id or id(conversation)
        known = self._known.get(key)
        if known is not None and (ours or known.conversation is conversation):
            return known
        known = _Known(conversation)
        complete = True
        if self._log is not None and conversation.id:
            try:
                former = [] if ours else self._log.of_transcript(conversation.id)
                known.take(*(r for r in former if isinstance(r, (Rating, Correction))))
            except StorageError:  # writing reports it; the next question tries again
                complete = False
            known.take(*(r for r in self._log.pending if _is_about(r, conversation)))
        if complete:
            self._known[key] = known
        return known

    def _target(self, conversation: Conversation, *node_ids: int) -> Target | None:
        """Where answers are; None if nobody can find their conversation again."""
        if self.keeps and not conversation.id:
            return None
        return Target(transcript=conversation.id, messages=node_ids)

    def _fields(self, more: JudgementFields) -> JudgementFields:
        return {"guideline": self._guideline(), **more}


class _Known:
    """The person's judgements of one conversation that count."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.ratings: dict[int | str, Rating] = {}
        self.corrections: dict[int | str, Correction] = {}
        self._records: dict[str, Record] = {}

    def take(self, *records: Record) -> None:
        """Add later records; a known one stays as it is."""
        self._records.update((record.id, record) for record in records)
        succession = Succession()
        self.ratings, self.corrections = {}, {}
        for record in reversed(self._records.values()):
            if succession.fate(trace_of(record)) is not Fate.LIVE or record.judge != HUMAN:
                continue
            if isinstance(record, Rating) and record.target is not None:
                self.ratings[record.target.messages[0]] = record
            elif isinstance(record, Correction) and record.target is not None:
                self.corrections[record.target.messages[0]] = record


def answer_at(conversation: Conversation, node_id: int) -> Node:
    """An answer of a conversation; raises UsageError if the message is missing or not an answer."""
    node = conversation.node(node_id)
    if node.message.role is not Role.ASSISTANT:
        raise UsageError(f"message {node_id} is not an answer; only answers can be judged")
    return node


def seen_by(conversation: Conversation, node: Node) -> list[Message]:
    """The messages the model saw: of a long chat, only the newest. UsageError if it saw none."""
    messages = conversation.prompt_messages(node.parent)
    if not messages:
        raise UsageError("no message comes before this answer, so it cannot be judged")
    count = node.extra.get(LEFT_OUT, "")
    spoken = [i for i, message in enumerate(messages) if message.role is not Role.SYSTEM][:-1]
    unseen = set(spoken[: int(count)] if count.isdecimal() and len(count) < _DIGITS else ())
    return [message for i, message in enumerate(messages) if i not in unseen]


def _alternatives(conversation: Conversation, node_ids: Sequence[int]) -> list[Node]:
    nodes = [answer_at(conversation, node_id) for node_id in node_ids]
    if len({node.parent for node in nodes}) != 1:
        raise UsageError("these answers belong to different messages, so they cannot be compared")
    return nodes


def _is_about(record: Record, conversation: Conversation) -> bool:
    if isinstance(record, Retraction):
        return True
    return record.target is not None and record.target.transcript == conversation.id
