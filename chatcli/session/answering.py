"""Asks the model for an answer, collects it while it grows, and puts it into the conversation."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chatcli.chat.conversation import DEFAULT_ASSISTANT, Node
from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Role
from chatcli.engine.base import (
    Cancellation,
    Engine,
    Event,
    Finished,
    LeftOut,
    ReasoningDelta,
    TextDelta,
    Unseen,
)
from chatcli.errors import ChatcliError, StorageError
from chatcli.sampling import SamplingParams
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.kept_state import KeptState
from chatcli.session.saved_conversation import SavedConversation
from chatcli.storage.transcripts.log import NoLog, TranscriptLog
from chatcli.storage.transcripts.partial import AnswerJournal

#: Attributes of an answer: id of the answer it continues; number of the oldest messages its model did not see
#: (system prompts not counted); number of pictures its model could not see.
CONTINUES, LEFT_OUT, UNSEEN = "continues", "left_out", "unseen"
#: Attribute of a message: id of the message that it replaces.
EDITS = "edits"
#: Attributes that name a message of the same conversation.
REFERENCES = {CONTINUES, EDITS}
#: Attribute of a conversation: id of the conversation whose path it began with.
FORK_OF = "fork_of"
#: Why an answer broke off.
BROKEN_OFF = frozenset({FinishReason.INTERRUPTED, FinishReason.ERROR})
#: Why an answer may be incomplete.
CUT = BROKEN_OFF | {FinishReason.LENGTH}
#: Which models could not see pictures, and why, as far as the user was told.
Told = set[tuple[ModelRef, str]]
_POLL_SECONDS = 0.1
_DIED = FinishReason.INTERRUPTED  # recorded for an answer if this process dies during it


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a session answers."""

    system: str | None = None
    sampling: Mapping[str, Any] | None = None
    thinking: bool | None = None
    grammar: str | None = None
    assistant: str = DEFAULT_ASSISTANT

    def parameters(self, engine: Engine) -> SamplingParams:
        """The sampling parameters of the next answer; raises UsageError if they do not go together."""
        chosen = replace(engine.recommended, **(self.sampling or {}))
        return replace(chosen, grammar=self.grammar) if self.grammar else chosen


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the model.

    Attributes:
        before: the head to go back to if nothing comes.
        asked: a message was added for this request; without an answer, the chat goes back before it.
        begun: the answer to continue, which is the last of ``messages``; or None.
    """

    messages: list[Message]
    parent: int | None
    before: int | None
    asked: bool = False
    begun: Message | None = None
    new_seed: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)


class Draft:
    """An answer as far as it has come."""

    def __init__(self, begun: Message | None) -> None:
        self._text = [begun.content] if begun else []
        self._reasoning = [begun.reasoning] if begun and begun.reasoning else []
        self.grown = False
        self._remarks: dict[str, str] = {}
        self._journal: AnswerJournal | None = None

    def begin(self, node: Node, log: TranscriptLog | NoLog) -> None:
        """From now on, also save what comes where it survives a crash; ``node`` is the empty answer."""
        self._journal = log.answering(node)

    def take(self, event: Event) -> None:
        """Add the text of an event, or what it says about the answer."""
        if isinstance(event, TextDelta):
            self._text.append(event.text)
            if self._journal is not None:
                self._journal.add(event.text)
        elif isinstance(event, ReasoningDelta):
            self._reasoning.append(event.text)
            if self._journal is not None:
                self._journal.add(reasoning=event.text)
        else:
            if isinstance(event, LeftOut):
                self._remarks[LEFT_OUT] = str(len(event.indices))
            elif isinstance(event, Unseen):
                self._remarks[UNSEEN] = str(len(event.names))
            return
        self.grown = True

    def written(self) -> None:
        """Note that the answer is in the transcript, or that there is none."""
        if self._journal is not None:
            self._journal.discard()
            self._journal = None

    @property
    def extra(self) -> dict[str, str]:
        """Attributes to keep with the answer."""
        return dict(self._remarks)

    @property
    def text(self) -> str:
        """The text of the answer."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str | None:
        """The reasoning before it, or None."""
        return "".join(self._reasoning) or None


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
