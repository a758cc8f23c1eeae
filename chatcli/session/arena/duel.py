"""Several answers to one message, generated at the same time, for a person to choose from.

The engines take turns, one event each, so that all answers grow together. Answers that share an engine are
generated one after the other. Each becomes a sibling in the conversation when it ends, with its own
provenance; what came of a stopped answer is kept too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chatcli.chat.conversation import Node
from chatcli.chat.message import FinishReason, Generation, Message, Role
from chatcli.engine.base import Cancellation, Engine, Event, Finished
from chatcli.errors import ChatcliError, StorageError, UsageError
from chatcli.session.answering import BROKEN_OFF, Draft
from chatcli.session.arena.contenders import Contender, Supply
from chatcli.session.attachments import require_vision
from chatcli.session.background import Background
from chatcli.session.session import Session

_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class DuelEvent:
    """An event of one of the answers; ``lane`` is its index in the order of the contenders."""

    lane: int
    event: Event


class Duel:
    """Answers to the user's last message."""

    def __init__(self, session: Session, entrants: Sequence[tuple[Contender, Supply]]) -> None:
        conversation = session.conversation
        asked = conversation.last(Role.USER)
        if asked is None:
            raise UsageError("there is no message to answer yet; send one first")
        self.question = asked.id
        self.unsaved: StorageError | None = None
        self._session = session
        self._before = conversation.head
        self._messages = conversation.prompt_messages(asked.id)
        self._lanes = [_Lane(contender, supply, self._messages) for contender, supply in entrants]

    def start(self) -> Background[DuelEvent]:
        """Begin. The events end when every answer has ended; an error that stopped one is raised."""
        return Background(self._run)

    @property
    def nodes(self) -> list[Node | None]:
        """The answers in the conversation, in the order of the contenders; None where nothing came."""
        return [lane.node for lane in self._lanes]

    @property
    def whole(self) -> bool:
        """Whether every answer is complete, so that they can be judged."""
        reasons = [lane.finish_reason for lane in self._lanes]
        return all(reason is not None and reason not in BROKEN_OFF for reason in reasons)

    def go_back(self) -> None:
        """Go on from where the chat was before; the answers stay in the tree. Raises StorageError."""
        self.go_on(self._before if self._before is not None else self.question)

    def go_on(self, node_id: int) -> None:
        """Go on from this message. Raises StorageError."""
        if self._session.conversation.head != node_id:
            self._session.select(node_id, exactly=True)
        node = self._session.conversation.node(node_id)
        if node.message.generation is not None:
            self._session.last = node.message.generation

    def _run(self, cancel: Cancellation) -> Iterator[DuelEvent]:
        """Generate the answers; runs in a thread of its own."""
        try:
            if not self._all_see(cancel):
                return
            while not all(lane.done for lane in self._lanes):
                if cancel.is_set() and not any(lane.runs for lane in self._lanes):
                    break
                waiting = True
                for index, lane in enumerate(self._lanes):
                    if lane.done or not lane.may_go_on(self._lanes, cancel):
                        continue
                    event = lane.step(cancel)
                    waiting = False
                    if isinstance(event, Finished):
                        self._keep(lane, event.generation)
                    if event is not None:
                        yield DuelEvent(index, event)
                if waiting:
                    next(lane for lane in self._lanes if not lane.done).supply.wait(_POLL_SECONDS)
        except ChatcliError:
            for lane in self._lanes:
                if lane.runs:
                    self._keep(lane, lane.broken())
            raise

    def _all_see(self, cancel: Cancellation) -> bool:
        """Wait for all engines if there are pictures for them to see; returns False if stopped meanwhile."""
        pictures = [picture for message in self._messages for picture in message.pictures]
        for lane in self._lanes if pictures else ():
            while not lane.supply.wait(_POLL_SECONDS):
                if cancel.is_set():
                    return False
            require_vision(lane.supply(), pictures)
        return True

    def _keep(self, lane: "_Lane", generation: Generation) -> None:
        """Save an answer, if anything came of it."""
        lane.done, lane.finish_reason = True, generation.finish_reason
        if not lane.draft.grown and generation.finish_reason in BROKEN_OFF:
            return
        draft = lane.draft
        message = Message(Role.ASSISTANT, draft.text, draft.reasoning, generation)
        try:
            self._session.add_answer(self.question, message, draft.extra)
        except StorageError as error:
            self.unsaved = error
        lane.node = self._session.conversation.path()[-1]


class _Lane:
    """One of the answers while it is generated."""

    def __init__(self, contender: Contender, supply: Supply, messages: list[Message]) -> None:
        self.supply = supply
        self.draft = Draft(None)
        self.done = False
        self.node: Node | None = None
        self.finish_reason: FinishReason | None = None
        self._contender = contender
        self._messages = messages
        self._engine: Engine | None = None
        self._stream: Iterator[Event] | None = None

    @property
    def runs(self) -> bool:
        """Whether it has begun and not ended."""
        return self._stream is not None and not self.done

    def may_go_on(self, lanes: "Sequence[_Lane]", cancel: Cancellation) -> bool:
        """Whether it has an engine now that no other answer is using."""
        if self._stream is not None:
            return True
        if cancel.is_set() or not self.supply.ready:
            return False
        engine = self._engine = self.supply()
        return not any(other.runs and other._engine is engine for other in lanes)

    def step(self, cancel: Cancellation) -> Event | None:
        """Return the next event, or None if there is none; ChatcliError ends the answer."""
        assert self._engine is not None
        if self._stream is None:
            params = self._parameters = self._contender.parameters(self._engine)
            thinking = self._contender.thinking
            self._stream = iter(
                self._engine.generate(self._messages, params, cancel=cancel, thinking=thinking)
            )
        event = next(self._stream, None)
        if event is None:
            self.done = True
        else:
            self.draft.take(event)
        return event

    def broken(self) -> Generation:
        """How an answer was generated that was ended by an error, its own or another one's."""
        assert self._engine is not None
        self._stream = None  # closing the iterator stops the engine
        thinking = self._contender.thinking
        return Generation(self._engine.model, FinishReason.ERROR, self._parameters, thinking=thinking)
