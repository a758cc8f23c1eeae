"""How a session answers, and what it needs of the place where conversations are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from chatcli.chat.conversation import DEFAULT_ASSISTANT, Conversation
from chatcli.engine.base import Engine
from chatcli.sampling import SamplingParams
from chatcli.storage.transcripts.log import NoLog, TranscriptLog
from chatcli.storage.transcripts.store import Opened


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a session answers.

    Attributes:
        system: system prompt from the next message on.
        sampling: sampling parameters that were set; the others are the model's own.
        thinking: passed to templates that know ``enable_thinking``.
        grammar: GBNF every answer follows.
        assistant: the assistant's name in new transcripts.
    """

    system: str | None = None
    sampling: Mapping[str, Any] | None = None
    thinking: bool | None = None
    grammar: str | None = None
    assistant: str = DEFAULT_ASSISTANT

    def parameters(self, engine: Engine) -> SamplingParams:
        """The sampling parameters of the next answer.

        Raises:
            UsageError: those that were set do not go together.
        """
        chosen = replace(engine.recommended, **(self.sampling or {}))
        return replace(chosen, grammar=self.grammar) if self.grammar else chosen


class Store(Protocol):
    """What keeps conversations: ``TranscriptStore``, or ``NoTranscripts``."""

    def create(self, *, assistant: str) -> tuple[Conversation, TranscriptLog | NoLog]:
        """An empty conversation and its log."""
        ...

    def add(self, conversation: Conversation) -> TranscriptLog | NoLog:
        """Keep a conversation that was made elsewhere."""
        ...

    def open(self, ref: str, *, repair: bool = False) -> Opened:
        """A conversation to go on with."""
        ...

    def resolve(self, ref: str) -> str:
        """The name of the conversation that is meant."""
        ...
