"""One live chat: the conversation, the engine that answers, the transcript that keeps it. Never prints."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import FinishReason, Generation, Message, Role
from chatcli.chat.sampling import SamplingParams
from chatcli.engine.base import Cancellation, Engine, Event, Finished, Prompt, ReasoningDelta, TextDelta
from chatcli.errors import ChatcliError, StorageError
from chatcli.session.background import BackgroundAnswer
from chatcli.storage.transcript_log import NoLog, TranscriptLog


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a session answers.

    Attributes:
        system: system prompt of new conversations.
        sampling: sampling parameters that were set; the others are the model's own.
        thinking: passed to templates that know ``enable_thinking``.
        grammar: GBNF every answer follows.
    """

    system: str | None = None
    sampling: Mapping[str, Any] | None = None
    thinking: bool | None = None
    grammar: str | None = None


#: Makes a new conversation and the log that keeps it.
NewConversation = Callable[[], tuple[Conversation, TranscriptLog | NoLog]]


class Session:
    """A live chat.

    Args:
        engine: gives the engine, waiting for it if it is still loading.
        new_conversation: makes an empty conversation and its log.
        options: how to answer.

    Attributes:
        conversation: what has been said.
        last: how the last answer came to be.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        new_conversation: NewConversation,
        options: SessionOptions = SessionOptions(),
    ) -> None:
        self.options = options
        self.last: Generation | None = None
        self._engine = engine
        self._new_conversation = new_conversation
        self._unsaved: list[Node] = []
        self.conversation, self._log = new_conversation()

    def send(self, text: str) -> BackgroundAnswer:
        """Say something and let the model answer; the message is on disk before the model starts.

        If nothing comes (an error, or stopped before the first word), the message stays in the transcript,
        but the conversation is as it was, so that it can be sent again.

        Raises:
            StorageError: the message could not be written; nothing was sent.
        """
        self._begin()
        before = self.conversation.head
        self._add(Message(Role.USER, text))
        return BackgroundAnswer(lambda cancel: self._answer(cancel, before))

    def preview(self, text: str) -> Prompt:
        """What the model would read if ``text`` were sent now. Nothing is generated or kept."""
        messages = [*self._opening(), *self.conversation.messages(), Message(Role.USER, text)]
        engine = self._engine()
        return engine.prompt(messages, self._params(engine), thinking=self.options.thinking)

    def start_over(self) -> None:
        """Leave this conversation as it is and begin a new one with the same system prompt."""
        self.close()
        self.last = None
        self.conversation, self._log = self._new_conversation()

    @property
    def answered(self) -> bool:
        """Whether the conversation goes on from an answer, that is, whether something came."""
        path = self.conversation.path()
        return bool(path) and path[-1].message.role is Role.ASSISTANT

    def close(self) -> None:
        """Let go of the transcript.

        Raises:
            StorageError: something that could not be written before still cannot.
        """
        try:
            self._save_pending()
        finally:
            self._log.close()

    def _opening(self) -> list[Message]:
        if len(self.conversation) or not self.options.system:
            return []
        return [Message(Role.SYSTEM, self.options.system)]

    def _begin(self) -> None:
        for message in self._opening():
            self._add(message)

    def _add(self, message: Message) -> None:
        """Append a message and write it down; if that fails the conversation is as before."""
        before = self.conversation.head
        node = self.conversation.append(message)
        try:
            self._save_pending()
            self._log.append(node)
        except StorageError:
            self.conversation.move_head(before)
            raise

    def _save_pending(self) -> None:
        while self._unsaved:
            self._log.append(self._unsaved[0])
            del self._unsaved[0]

    def _params(self, engine: Engine) -> SamplingParams:
        chosen = replace(engine.recommended, **(self.options.sampling or {}))
        return replace(chosen, grammar=self.options.grammar) if self.options.grammar else chosen

    def _answer(self, cancel: Cancellation, before: int | None) -> Iterator[Event]:
        text: list[str] = []
        reasoning: list[str] = []
        generation: Generation | None = None
        try:
            engine = self._engine()
            events = engine.generate(
                self.conversation.messages(),
                self._params(engine),
                cancel=cancel,
                thinking=self.options.thinking,
            )
            for event in events:
                if isinstance(event, TextDelta):
                    text.append(event.text)
                elif isinstance(event, ReasoningDelta):
                    reasoning.append(event.text)
                elif isinstance(event, Finished):
                    generation = event.generation
                    try:
                        self._keep("".join(text), "".join(reasoning), generation, before)
                    except StorageError:
                        yield event  # the answer is valid whether it could be saved or not
                        raise
                yield event
        except ChatcliError:
            if generation is None:
                self._keep("".join(text), "".join(reasoning), None, before)
            raise

    def _keep(self, text: str, reasoning: str, generation: Generation | None, before: int | None) -> None:
        """Write the answer down, or step back if there is none."""
        self.last = generation
        stopped = generation is None or generation.finish_reason is FinishReason.INTERRUPTED
        if stopped and not text and not reasoning:
            self.conversation.move_head(before)
            self._log.move_head(before)
            return
        node = self.conversation.append(Message(Role.ASSISTANT, text, reasoning or None, generation))
        self._unsaved.append(node)  # kept in memory and tried again if the disk refuses it now
        self._save_pending()
