"""Several answers to the same message, written at the same time, for somebody to choose from.

The engines take turns, an event each, so that all answers grow; answers that share an engine are written one
after the other. Each becomes a sibling of the others in the conversation, with its own provenance, as soon as
it has ended; what came of those that are stopped is kept too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from secrets import randbelow

from chatcli.chat.conversation import Node
from chatcli.chat.message import FinishReason, Generation, Message, Role
from chatcli.engine.base import Cancellation, Engine, Event, Finished
from chatcli.errors import ChatcliError, StorageError, UsageError
from chatcli.session.answering import Draft
from chatcli.session.arena.contenders import Contender, Supply
from chatcli.session.background import Background
from chatcli.session.session import Session
from chatcli.session.sight import check_sight

_POLL_SECONDS = 0.05
_BROKEN = {FinishReason.INTERRUPTED, FinishReason.ERROR}
_SEEDS = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Said:
    """Something that happened to one of the answers.

    Attributes:
        lane: which one, in the order they were asked for.
        event: what happened.
    """

    lane: int
    event: Event


class Duel:
    """Answers to the last message of the user's.

    Args:
        session: the chat.
        entrants: who answers, and where each gets its engine.

    Attributes:
        question: id of the message that is answered.
        unsaved: what keeps an answer from being written down; it is tried again.

    Raises:
        UsageError: there is nothing to answer.
    """

    def __init__(self, session: Session, entrants: Sequence[tuple[Contender, Supply]]) -> None:
        conversation = session.conversation
        path = conversation.path()
        asked = next((n for n in reversed(path) if n.message.role is Role.USER), None)
        if asked is None:
            raise UsageError("there is no message yet that could be answered; send one first")
        self.question = asked.id
        self.unsaved: StorageError | None = None
        self._session = session
        self._before = conversation.head
        self._messages = conversation.prompt_messages(asked.id)
        self._lanes = [_Lane(contender, supply, self._messages) for contender, supply in entrants]

    def start(self) -> Background[Said]:
        """Begin; the events end when every answer has, and raise what kept one of them from coming."""
        return Background(self._run)

    @property
    def nodes(self) -> list[Node | None]:
        """The answers in the conversation, in the order they were asked for; None: nothing came."""
        return [lane.node for lane in self._lanes]

    @property
    def whole(self) -> bool:
        """Every answer came to its end, so that they can be judged."""
        reasons = [lane.finish_reason for lane in self._lanes]
        return all(reason is not None and reason not in _BROKEN for reason in reasons)

    def go_back(self) -> None:
        """Go on from where the chat was before; the answers stay in the tree.

        Raises:
            StorageError: it could not be written.
        """
        self.go_on(self._before if self._before is not None else self.question)

    def go_on(self, node_id: int) -> None:
        """Go on from this message.

        Raises:
            StorageError: it could not be written.
        """
        if self._session.conversation.head != node_id:
            self._session.select(node_id, exactly=True)
        node = self._session.conversation.node(node_id)
        if node.message.generation is not None:
            self._session.last = node.message.generation

    def _run(self, cancel: Cancellation) -> Iterator[Said]:
        """Runs in a thread of its own."""
        try:
            if not self._all_see(cancel):
                return
            while not all(lane.done for lane in self._lanes):
                if cancel.is_set() and not any(lane.runs for lane in self._lanes):
                    break
                stood = True
                for index, lane in enumerate(self._lanes):
                    if lane.done or not lane.may_go_on(self._lanes, cancel):
                        continue
                    event = lane.step(cancel)
                    stood = False
                    if isinstance(event, Finished):
                        self._keep(lane, event.generation)
                    if event is not None:
                        yield Said(index, event)
                if stood:
                    waiting = next(lane for lane in self._lanes if not lane.done)
                    waiting.supply.wait(_POLL_SECONDS)
        except ChatcliError:
            for lane in self._lanes:
                if lane.runs:
                    self._keep(lane, lane.broken())
            raise

    def _all_see(self, cancel: Cancellation) -> bool:
        """Wait for all engines if there are pictures to be seen; False: stopped meanwhile.

        Raises:
            ModelError: one of them does not see.
        """
        pictures = [picture for message in self._messages for picture in message.pictures]
        for lane in self._lanes if pictures else ():
            while not lane.supply.wait(_POLL_SECONDS):
                if cancel.is_set():
                    return False
            check_sight(lane.supply(), pictures)
        return True

    def _keep(self, lane: "_Lane", generation: Generation) -> None:
        """Write an answer down, if there is one."""
        lane.done, lane.finish_reason = True, generation.finish_reason
        if not lane.draft.grown and generation.finish_reason in _BROKEN:
            return
        draft = lane.draft
        message = Message(Role.ASSISTANT, draft.text, draft.reasoning, generation)
        try:
            self._session.add_answer(self.question, message, draft.extra)
        except StorageError as error:
            self.unsaved = error
        lane.node = self._session.conversation.path()[-1]


class _Lane:
    """One of the answers on its way."""

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
        """It has begun and not ended."""
        return self._stream is not None and not self.done

    def may_go_on(self, lanes: "Sequence[_Lane]", cancel: Cancellation) -> bool:
        """Whether there is an engine for it now; one that another answer uses is not."""
        if self._stream is not None:
            return True
        if cancel.is_set() or not self.supply.ready:
            return False
        engine = self._engine = self.supply()
        return not any(other.runs and other._engine is engine for other in lanes)

    def step(self, cancel: Cancellation) -> Event | None:
        """The next thing that happens; None: it ended without a word.

        Raises:
            ChatcliError: as the engine; the answer has ended.
        """
        assert self._engine is not None
        if self._stream is None:
            params = self._contender.parameters(self._engine)
            if params.seed is None:
                params = replace(params, seed=randbelow(_SEEDS))
            thinking = self._contender.thinking
            self._stream = iter(
                self._engine.generate(self._messages, params, cancel=cancel, thinking=thinking)
            )
            self._parameters = params
        event = next(self._stream, None)
        if event is None:
            self.done = True
        else:
            self.draft.take(event)
        return event

    def broken(self) -> Generation:
        """How an answer came to be that another one's failure, or its own, has ended."""
        assert self._engine is not None
        self._stream = None  # closing the iterator stops the engine
        thinking = self._contender.thinking
        return Generation(self._engine.model, FinishReason.ERROR, self._parameters, thinking=thinking)
