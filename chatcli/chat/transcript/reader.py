"""Reads transcripts: as a stream of events in bounded memory, or as a whole ``Conversation``.

The format is specified in docs/transcript-format.md. ``scanner`` finds the elements; this module interprets
them. A torn (cut) element is never an error. Other damage is, unless it shall be repaired.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from chatcli.chat import pictures
from chatcli.chat.conversation import DEFAULT_ASSISTANT, EPOCH, Conversation, Node
from chatcli.chat.message import FinishReason, Message, Role
from chatcli.chat.transcript import markup, provenance
from chatcli.chat.transcript.scanner import Damage, Element, Scanner, Torn, number
from chatcli.chat.transcript.writer import Position
from chatcli.errors import UsageError

# Far below the largest number that can be read, so that later messages have room for their ids.
_LARGEST_ID = 10**12


@dataclass(frozen=True, slots=True)
class _Placed:
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class SessionRead(_Placed):
    """The ``<session/>`` element; missing attributes are empty or None."""

    id: str
    started: datetime | None
    title: str
    extra: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MessageRead(_Placed):
    """A message and where its element begins.

    Attributes:
        partial: the element was torn and this is what was left of it (only with ``repair``).
    """

    node: Node
    partial: bool = False


@dataclass(frozen=True, slots=True)
class HeadMoved(_Placed):
    """The chat goes on after this message; None means from the beginning."""

    head: int | None


@dataclass(frozen=True, slots=True)
class Renamed(_Placed):
    """The conversation got another title."""

    title: str


TranscriptEvent = SessionRead | MessageRead | HeadMoved | Renamed | Torn | Damage


class TranscriptReader:
    """Iterates over the events of one transcript, holding one element at a time.

    Args:
        chunks: the file in pieces of any size, UTF-8 bytes or text.
        repair: yield ``Damage`` and go on, and read torn messages as far as they go.

    Attributes:
        appendable: whether elements may be appended to the file (after ``mend``). If not, its beginning or
            end was damaged or written by others: write it anew with ``render``.

    Raises:
        TranscriptError: while iterating, at damage, unless ``repair``.
    """

    def __init__(
        self, chunks: Iterable[bytes | str], *, repair: bool = False, assistant: str = DEFAULT_ASSISTANT
    ) -> None:
        self.appendable = False
        self._assistant = assistant
        self._previous: int | None = None
        self._model: Mapping[str, str] = {}
        self._repair = repair
        self._scanner = Scanner(chunks, repair=repair)
        self._facts: provenance.ModelFacts | None = None
        self._begun = False
        self._last_id = 0
        self._partial: MessageRead | None = None

    @property
    def position(self) -> Position:
        """What is known so far; at the end, the position to write new elements from."""
        return Position(self._assistant, self._previous, self._model)

    def __iter__(self) -> Iterator[TranscriptEvent]:
        for item in self._scanner:
            if isinstance(item, Torn):
                yield from self._torn(item)
            elif isinstance(item, Damage):
                self.appendable = False
                yield item
            elif item.content is not None:
                yield from self._message(item, item.content)
            else:
                yield from self._void(item)
        if self._partial:
            yield self._partial

    def _torn(self, torn: Torn) -> Iterator[TranscriptEvent]:
        if torn.at_end and torn.text is not None and number(torn.attributes.get("id")) is None:
            self.appendable = False
        yield torn
        if self._repair and torn.text is not None:
            self.appendable = False
            yield from self._message(torn, torn.text)

    def _bad(self, at: Element | Torn, problem: str) -> Damage:
        damage = Damage(at.line, at.column, problem)
        if not self._repair:
            raise damage.error()
        self.appendable = False
        return damage

    def _void(self, element: Element) -> Iterator[TranscriptEvent]:
        values = dict(element.attributes)
        if element.name == "session" and self._begun:
            yield self._bad(element, "a second <session/>; expected one at the beginning of the file")
        elif element.name == "session":
            yield from self._session(element, values)
        elif element.name == "model":
            self._facts = provenance.model_facts(values)
            self._model = values
        elif element.name == "head":
            head = values.get("id", "")
            if head != "0" and number(head) is None:
                yield self._bad(element, f"id={head!r} is not a message's id; expected a number")
            else:
                self._partial = None  # whoever wrote this did not know of the torn message
                yield HeadMoved(element.line, element.column, number(head))
        elif element.name == "title" and "text" in values:
            yield Renamed(element.line, element.column, values["text"])

    def _session(self, element: Element, values: dict[str, str]) -> Iterator[TranscriptEvent]:
        self._begun = True
        name = values.pop("assistant", None)
        if name is not None:
            try:
                self._scanner.assistant = markup.check_name(name)
            except UsageError as error:
                yield self._bad(element, str(error))
            else:
                self._assistant = name
                self.appendable = True
        started, moment = values.pop("started", None), None
        if started is not None:
            try:
                moment = datetime.fromisoformat(started)
            except ValueError:
                yield self._bad(element, f"started={started!r} is not a time; expected 2026-01-31T12:00:00Z")
            else:
                moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        session_id, title = values.pop("id", ""), values.pop("title", "")
        yield SessionRead(element.line, element.column, session_id, moment, title, values)

    def _message(self, element: Element | Torn, text: str) -> Iterator[TranscriptEvent]:
        values = dict(element.attributes)
        if element.name in {"user", "system"}:
            role = Role(element.name)
        else:
            role = Role.ASSISTANT
            known = self._scanner.assistant
            if known is not None and element.name != known:
                yield self._bad(
                    element,
                    f"<{element.name}> is not an element here; expected <user>, <system> or <{known}>",
                )
            self._assistant = known or element.name
        if self._partial and self._partial.node.id != number(values.get("id")):
            # A message numbered after a torn one was written by a program that knew of it.
            yield self._partial
            self._previous = self._partial.node.id
        self._partial = None
        node_id, parent, problem = self._place(values)
        if problem:
            yield self._bad(element, problem)
        generation = provenance.generation(self._facts, values)
        reasoning, shown = values.pop("reasoning", None), pictures.taken_from(values)
        self._last_id = max(self._last_id, node_id)
        if isinstance(element, Torn) and generation is not None:
            generation = replace(generation, finish_reason=FinishReason.INTERRUPTED)
        node = Node(node_id, parent, Message(role, text, reasoning, generation, shown), values)
        if isinstance(element, Torn):
            self._partial = MessageRead(element.line, element.column, node, partial=True)
            return
        self._previous = node_id
        yield MessageRead(element.line, element.column, node)

    def _place(self, values: dict[str, str]) -> tuple[int, int | None, str]:
        """Return a message's id, its parent and what is wrong with them (empty: nothing)."""
        given, above = values.pop("id", None), values.pop("parent", None)
        node_id, parent, problem = number(given), number(above), ""
        if given is not None and (node_id is None or node_id > _LARGEST_ID):
            node_id, problem = None, f"id={given!r} is not a message's id; expected a number from 1"
        if above not in {None, "0"} and parent is None:
            problem = f"parent={above!r} is not a message's id; expected a number"
        if above is None or problem:
            parent = self._previous
        return node_id or self._last_id + 1, parent, problem


@dataclass(frozen=True, slots=True)
class ReadTranscript:
    """A transcript that was read as a whole.

    Attributes:
        torn: elements that were cut; without ``repair``, their messages are not in the conversation.
        problems: the damage that ``repair`` passed over.
        position: where ``render_message`` goes on.
        appendable: as in ``TranscriptReader``.
    """

    conversation: Conversation
    torn: tuple[Torn, ...]
    problems: tuple[Damage, ...]
    position: Position
    appendable: bool


def load(
    chunks: Iterable[bytes | str],
    *,
    repair: bool = False,
    id: str = "",
    started: datetime = EPOCH,
    assistant: str = DEFAULT_ASSISTANT,
) -> ReadTranscript:
    """Read a whole conversation.

    Args:
        chunks: the file in pieces of any size, UTF-8 bytes or text.
        repair: keep what can be saved and list the problems, instead of raising.
        id, started, assistant: used if the file does not say.

    Raises:
        TranscriptError: the file is damaged.
    """
    reader = TranscriptReader(chunks, repair=repair, assistant=assistant)
    builder = _Builder(Conversation(id, started), repair)
    for event in reader:
        builder.take(event)
    builder.conversation.assistant = reader.position.assistant
    appendable = reader.appendable and not builder.problems
    return ReadTranscript(
        builder.conversation, tuple(builder.torn), tuple(builder.problems), reader.position, appendable
    )


class _Builder:
    """Builds a conversation from events."""

    def __init__(self, conversation: Conversation, repair: bool) -> None:
        self.conversation = conversation
        self.torn: list[Torn] = []
        self.problems: list[Damage] = []
        self._repair = repair
        self._renumbered: dict[int, int] = {}

    def take(self, event: TranscriptEvent) -> None:
        conversation = self.conversation
        if isinstance(event, Torn):
            self.torn.append(event)
        elif isinstance(event, Damage):
            self.problems.append(event)
        elif isinstance(event, SessionRead):
            conversation.id = event.id or conversation.id
            conversation.started = event.started or conversation.started
            conversation.title, conversation.extra = event.title, event.extra
        elif isinstance(event, Renamed):
            conversation.title = event.title
        elif isinstance(event, HeadMoved):
            try:
                conversation.move_head(self._actual(event.head))
            except UsageError as error:
                self._bad(event, str(error))
        else:
            self._add(event)

    def _actual(self, node_id: int | None) -> int | None:
        return None if node_id is None else self._renumbered.get(node_id, node_id)

    def _bad(self, event: MessageRead | HeadMoved, problem: str) -> None:
        damage = Damage(event.line, event.column, problem)
        if not self._repair:
            raise damage.error() from None
        self.problems.append(damage)

    def _add(self, event: MessageRead) -> None:
        """Add a message; one without a known parent follows the last, one with a taken id gets a new one."""
        node, conversation = event.node, self.conversation
        parent = self._actual(node.parent)
        if parent is not None and parent not in conversation:
            self._bad(event, f"parent={parent}, but there is no message {parent}")
            parent = conversation.head
        if node.id in conversation:
            self._bad(event, f"message {node.id} is there twice")
            again = conversation.append(node.message, parent, node.extra)
            self._renumbered[node.id] = again.id
        else:
            conversation.add(replace(node, parent=parent))
