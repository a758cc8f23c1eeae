"""One request to the model, from waiting for it to the answer in the conversation."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from chatcli.chat.conversation import Node
from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Role
from chatcli.engine.base import Cancellation, Event, Finished, Unseen
from chatcli.errors import ChatcliError, StorageError
from chatcli.session.answering import BROKEN_OFF, CUT, Draft, Request, SessionOptions
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.kept_state import KeptState
from chatcli.session.saved_conversation import SavedConversation

#: Which models could not see pictures, and why, as far as the user was told.
Told = set[tuple[ModelRef, str]]
_POLL_SECONDS = 0.1
_DIED = FinishReason.INTERRUPTED  # recorded for an answer if this process dies during it


@dataclass(slots=True)
class Exchange:
    """A request and its answer.

    Attributes:
        told: what the user was told about unseen pictures in this conversation; it is not repeated.
        note: called with how an answer was generated, before the ``Finished`` event is passed on.
    """

    request: Request
    engine: EngineSlot
    options: SessionOptions
    saved: SavedConversation
    kept: KeptState
    told: Told
    note: Callable[[Generation | None], None]
    came: bool = False

    def run(self, cancel: Cancellation) -> Iterator[Event]:
        """Have the request answered, in the thread of the answer. What came before an error is kept."""
        draft = Draft(self.request.begun)
        finished = False
        try:
            while not self.engine.wait(_POLL_SECONDS):
                if cancel.is_set():
                    break
            if cancel.is_set():
                self._keep(draft, None)
                return
            for event in self._events(draft, cancel):
                draft.take(event)
                if isinstance(event, Unseen) and not self._is_news(event):
                    continue
                if isinstance(event, Finished):
                    finished = True
                    try:
                        self._keep(draft, event.generation)
                    except StorageError:
                        yield event  # the answer is valid even if it was not saved
                        raise
                yield event
        except ChatcliError:
            if not finished:
                self._keep(draft, None)
            raise

    def _events(self, draft: Draft, cancel: Cancellation) -> Iterator[Event]:
        """The events of the engine."""
        engine, request = self.engine(), self.request
        parameters = self.options.parameters(engine)
        if request.new_seed:
            parameters = replace(parameters, seed=None)
        thinking = self.options.thinking
        self.kept.prepare(engine)
        began = Generation(engine.model, _DIED, parameters, thinking=thinking)
        draft.begin(self._unfinished(began), self.saved.log)
        for event in engine.generate(request.messages, parameters, cancel=cancel, thinking=thinking):
            if isinstance(event, Finished):
                pictures = any(message.pictures for message in request.messages)
                self.kept.note(engine, event.generation.usage, pictures=pictures)
            yield event

    def _is_news(self, unseen: Unseen) -> bool:
        what = (self.engine().model, unseen.reason)
        known = what in self.told
        self.told.add(what)
        return not known

    def _unfinished(self, generation: Generation) -> Node:
        """The empty answer in its place in the conversation."""
        request = self.request
        begun = request.begun or Message(Role.ASSISTANT, "")
        node_id = self.saved.conversation.next_id
        return Node(node_id, request.parent, replace(begun, generation=generation), request.extra)

    def _keep(self, draft: Draft, generation: Generation | None) -> None:
        """Save the answer, or step back if there is none."""
        request = self.request
        reason = generation.finish_reason if generation is not None else FinishReason.ERROR
        nothing = BROKEN_OFF if request.begun is None else CUT
        self.came = draft.grown or reason not in nothing
        if not self.came:
            draft.written()
            self.saved.conversation.move_head(request.before)
            if request.asked:
                self.saved.log.move_head(request.before)
            return
        self.note(generation)
        message = Message(Role.ASSISTANT, draft.text, draft.reasoning, generation)
        self.saved.keep(message, request.parent, {**request.extra, **draft.extra})
        draft.written()
