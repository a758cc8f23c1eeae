"""What is asked of the model, and the answer while it grows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chatcli.chat.conversation import DEFAULT_ASSISTANT, Node
from chatcli.chat.message import FinishReason, Message
from chatcli.engine.base import Engine, Event, LeftOut, ReasoningDelta, TextDelta, Unseen
from chatcli.sampling import SamplingParams
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


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a session answers.

    Attributes:
        sampling: sampling parameters that were set; the others are the model's own.
        grammar: GBNF grammar that every answer follows.
    """

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
        new_seed: draw another seed, whatever the settings say.
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
