"""One request to the model, from waiting for it to the answer in the conversation."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from chatcli.chat.conversation import Node
from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Role
from chatcli.engine.base import Cancellation, Event, Finished, Unseen
from chatcli.errors import ChatcliError, StorageError
from chatcli.session.answering import Draft, Request
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.kept_state import KeptState
from chatcli.session.options import SessionOptions
from chatcli.session.saved_conversation import WrittenConversation

#: Why an answer may be there that is not whole.
CUT = {FinishReason.INTERRUPTED, FinishReason.LENGTH, FinishReason.ERROR}
#: Why which model did not see pictures, as far as it was said.
Told = set[tuple[ModelRef, str]]
_POLL_SECONDS = 0.1
_DIED = FinishReason.INTERRUPTED  # what is recorded of an answer whose process died


class Exchange:
    """A request, and what comes of it.

    Args:
        request: what is asked.
        engine: gives the engine, waiting for it if it is still loading.
        options: how to answer.
        written: the conversation that the answer goes into.
        kept: what the engine has read of it.
        told: what was said in this conversation of pictures that a model did not see; it is not said again.
        note: called with how the answer came to be, if one came, before that is said.

    Attributes:
        came: whether anything came, so that the chat goes on from it.
    """

    def __init__(
        self,
        request: Request,
        engine: EngineSlot,
        options: SessionOptions,
        written: WrittenConversation,
        kept: KeptState,
        *,
        told: Told,
        note: Callable[[Generation | None], None],
    ) -> None:
        self.came = False
        self._request = request
        self._engine = engine
        self._options = options
        self._written = written
        self._kept = kept
        self._told = told
        self._note = note

    def run(self, cancel: Cancellation) -> Iterator[Event]:
        """Have it answered; for the thread of the answer.

        Raises:
            ChatcliError: as the engine, or the answer could not be written; what came is kept.
        """
        draft = Draft(self._request.begun)
        finished = False
        try:
            while not self._engine.wait(_POLL_SECONDS):
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
                        yield event  # the answer is valid whether it could be saved or not
                        raise
                yield event
        except ChatcliError:
            if not finished:
                self._keep(draft, None)
            raise

    def _events(self, draft: Draft, cancel: Cancellation) -> Iterator[Event]:
        """What the engine says."""
        engine, request = self._engine(), self._request
        parameters = self._options.parameters(engine)
        if request.new_seed:
            parameters = replace(parameters, seed=None)
        thinking = self._options.thinking
        self._kept.prepare(engine)
        began = Generation(engine.model, _DIED, parameters, thinking=thinking)
        draft.begin(self._unfinished(began), self._written.log)
        for event in engine.generate(request.messages, parameters, cancel=cancel, thinking=thinking):
            if isinstance(event, Finished):
                pictures = any(message.pictures for message in request.messages)
                self._kept.note(engine, event.generation.usage, pictures=pictures)
            yield event

    def _is_news(self, unseen: Unseen) -> bool:
        what = (self._engine().model, unseen.reason)
        known = what in self._told
        self._told.add(what)
        return not known

    def _unfinished(self, generation: Generation) -> Node:
        """The answer before anything came of it, as it will stand in the conversation."""
        request = self._request
        begun = request.begun or Message(Role.ASSISTANT, "")
        node_id = self._written.conversation.next_id
        return Node(node_id, request.parent, replace(begun, generation=generation), request.extra)

    def _keep(self, draft: Draft, generation: Generation | None) -> None:
        """Write the answer down, or step back if there is none."""
        request = self._request
        reason = generation.finish_reason if generation is not None else FinishReason.ERROR
        nothing = {FinishReason.INTERRUPTED, FinishReason.ERROR} if request.begun is None else CUT
        self.came = draft.grown or reason not in nothing
        if not self.came:
            draft.written()
            self._written.conversation.move_head(request.before)
            if request.asked:
                self._written.log.move_head(request.before)
            return
        self._note(generation)
        message = Message(Role.ASSISTANT, draft.text, draft.reasoning, generation)
        self._written.keep(message, request.parent, {**request.extra, **draft.extra})
        draft.written()
