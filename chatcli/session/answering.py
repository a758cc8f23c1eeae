"""One answer on its way into the conversation: what the model is given, and where what comes is put."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chatcli.chat.conversation import Node
from chatcli.chat.message import Message
from chatcli.engine.base import Event, LeftOut, ReasoningDelta, TextDelta, Unseen
from chatcli.storage.transcripts.log import NoLog, TranscriptLog
from chatcli.storage.transcripts.partial import AnswerJournal

#: Attribute of an answer that goes on from another one, which was cut; that one's id.
CONTINUES = "continues"
#: Attribute of a message that is another one with its text edited; that one's id.
EDITS = "edits"
#: Attribute of an answer whose model did not see so many of the oldest messages, system prompts not counted.
LEFT_OUT = "left_out"
#: Attribute of an answer whose model was told the names of so many pictures only.
UNSEEN = "unseen"
#: Those that name a message of the same conversation.
REFERENCES = {CONTINUES, EDITS}
#: Attribute of a conversation that began as a copy of another one's path; that one's id.
FORK_OF = "fork_of"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the model.

    Attributes:
        messages: what it is given.
        parent: id of the message the answer follows.
        before: the head to go back to if nothing comes.
        asked: a message was added to be answered; it is stepped over again if nothing comes.
        begun: the answer that is to be continued, if any; the last of ``messages``.
        new_seed: draw another seed, whatever the settings say.
        extra: attributes to keep with the answer.
    """

    messages: list[Message]
    parent: int | None
    before: int | None
    asked: bool = False
    begun: Message | None = None
    new_seed: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)


class Draft:
    """What has come of an answer so far.

    Args:
        begun: what is there already, of an answer that is being continued.
    """

    def __init__(self, begun: Message | None) -> None:
        self._text = [begun.content] if begun else []
        self._reasoning = [begun.reasoning] if begun and begun.reasoning else []
        self.grown = False
        self._remarks: dict[str, str] = {}
        self._journal: AnswerJournal | None = None

    def begin(self, node: Node, log: TranscriptLog | NoLog) -> None:
        """From now on, keep what comes where it outlives this process.

        Args:
            node: the answer before anything came.
        """
        self._journal = log.answering(node)

    def take(self, event: Event) -> None:
        """Add what an event brings: words, or what is to be known of them."""
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
        """The answer is in the transcript, or there is none."""
        if self._journal is not None:
            self._journal.discard()
            self._journal = None

    @property
    def extra(self) -> dict[str, str]:
        """Attributes to keep with the answer."""
        return dict(self._remarks)

    @property
    def text(self) -> str:
        """The answer."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str | None:
        """The reasoning before it; None: none."""
        return "".join(self._reasoning) or None
