"""What the person thinks of answers: made into records, kept, and known again when the chat is resumed."""

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

_DIGITS = 9  # of a count of messages; more is no count
R = TypeVar("R", bound=Record)


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

    def __init__(self, log: FeedbackLog | None, guideline: Callable[[], str | None] = _no_guideline) -> None:
        self._log = log
        self._guideline = guideline
        self._since = datetime.now(UTC).replace(microsecond=0)  # as conversations say when they began
        self._known: dict[str | int, _Known] = {}

    @property
    def keeps(self) -> bool:
        """Whether judgements are written down at all."""
        return self._log is not None

    @property
    def unsaved(self) -> int:
        """How many records wait to be written."""
        return 0 if self._log is None else len(self._log.pending)

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
            UsageError: the message is no answer of a model's.
            ValueError: neither is given, or the score is out of range.
            StorageError: it could not be written yet.
        """
        node = answer_at(conversation, node_id)
        if EDITS in node.extra:
            raise UsageError("this text is your own; it is the answers of models that are rated")
        prompt = seen_by(conversation, node)
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
                seen_by(conversation, a),
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
                seen_by(conversation, nodes[0]),
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
                seen_by(conversation, node),
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

    def retract_correction(self, conversation: Conversation, node_id: int) -> Correction | None:
        """As ``retract``, for what the person made of an answer."""
        correction = self.correction(conversation, node_id)
        if correction is not None:
            self.keep(records.retraction(correction.id), conversation)
        return correction

    def keep(self, record: R, conversation: Conversation | None = None) -> R:
        """Write any record down, after those that wait.

        Args:
            conversation: the one it is about, so that ``rating`` knows of it.

        Raises:
            StorageError: it could not be written yet.
        """
        try:
            if self._log is not None:
                self._log.append(record)
        finally:
            if conversation is not None:
                self._of(conversation).take(record)
        return record

    def close(self) -> None:
        """Try once more what could not be written.

        Raises:
            StorageError: it still cannot; says how many judgements are lost.
        """
        if self._log is None:
            return
        try:
            self._log.retry()
        except StorageError as error:
            raise StorageError(f"{counted(self.unsaved, 'judgement')} could not be saved: {error}") from error

    # Knowing what was said

    def rating(self, conversation: Conversation, node_id: int) -> Rating | None:
        """What counts as the rating of an answer now; None: it has none, or the log cannot be read."""
        return self._of(conversation).ratings.get(node_id)

    def correction(self, conversation: Conversation, node_id: int) -> Correction | None:
        """What the person made of an answer; None: nothing, or the log cannot be read."""
        return self._of(conversation).corrections.get(node_id)

    def opposites(self, conversation: Conversation, node_id: int) -> list[Node]:
        """The other answers that were given the same and whose thumb is the opposite: each makes a pair.

        Two answers of the same words, but for white space, say nothing about which is better.
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
        ours = conversation.started > self._since  # nobody else can have judged it before
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
            except StorageError:  # writing says it aloud; the next question tries again
                complete = False
            known.take(*(r for r in self._log.pending if _is_about(r, conversation)))
        if complete:
            self._known[key] = known
        return known

    def _target(self, conversation: Conversation, *node_ids: int) -> Target | None:
        """Where answers are; None: in a conversation that nobody can find again."""
        if self.keeps and not conversation.id:
            return None
        return Target(transcript=conversation.id, messages=node_ids)

    def _with_guideline(self, more: JudgementFields) -> JudgementFields:
        return {"guideline": self._guideline(), **more}


class _Known:
    """The judgements of one conversation that count, of the person's own."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.ratings: dict[int | str, Rating] = {}
        self.corrections: dict[int | str, Correction] = {}
        self._records: dict[str, Record] = {}

    def take(self, *records: Record) -> None:
        """Records that are later than all before; one that is known already is the same."""
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
    """An answer of a conversation.

    Raises:
        UsageError: there is no such message, or it is no answer.
    """
    node = conversation.node(node_id)
    if node.message.role is not Role.ASSISTANT:
        raise UsageError(f"message {node_id} is not an answer; answers are what is judged")
    return node


def seen_by(conversation: Conversation, node: Node) -> list[Message]:
    """What the model was given that gave an answer; of a long chat the newest messages only.

    Raises:
        UsageError: it was given nothing.
    """
    messages = conversation.prompt_messages(node.parent)
    if not messages:
        raise UsageError("this answers nothing: no message comes before it, so there is nothing to judge")
    count = node.extra.get(LEFT_OUT, "")
    spoken = [i for i, message in enumerate(messages) if message.role is not Role.SYSTEM][:-1]
    unseen = set(spoken[: int(count)] if count.isdecimal() and len(count) < _DIGITS else ())
    return [message for i, message in enumerate(messages) if i not in unseen]


def _alternatives(conversation: Conversation, node_ids: Sequence[int]) -> list[Node]:
    nodes = [answer_at(conversation, node_id) for node_id in node_ids]
    if len({node.parent for node in nodes}) != 1:
        raise UsageError("these answers are not to the same message, so they cannot be compared")
    return nodes


def _is_about(record: Record, conversation: Conversation) -> bool:
    if isinstance(record, Retraction):
        return True
    return record.target is not None and record.target.transcript == conversation.id
