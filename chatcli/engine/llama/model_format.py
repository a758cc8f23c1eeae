"""How one model's prompts and answers look: by its chat template, or as a transcript where it has none."""

import codecs
import hashlib
from collections.abc import Iterator, Sequence

from chatcli.chat.conversation import DEFAULT_ASSISTANT
from chatcli.chat.message import Message
from chatcli.engine.answer import StopStrings
from chatcli.engine.base import Event, ReasoningDelta, TextDelta
from chatcli.engine.llama.prompt import BuiltPrompt, Template
from chatcli.engine.llama.template import ChatTemplate, TranscriptFormat
from chatcli.engine.llama.vocabulary import Vocabulary
from chatcli.engine.reasoning import ReasoningSplitter, detect, splitter_for


class ModelForm:
    """What a model's prompts are made with and how its answers are read.

    Args:
        vocabulary: the model's.
        source: the text of its chat template; blank where it has none.

    Attributes:
        source: the text of the chat template.
        template: renders conversations.
        sha256: of the chat template, hex; empty without one.
        stops: strings that end every answer, besides the model's own end tokens.

    Raises:
        TemplateError: the chat template does not compile.
    """

    def __init__(self, vocabulary: Vocabulary, source: str) -> None:
        self.source = source
        self._vocabulary = vocabulary
        self._shown: dict[int, bytes] = {}
        self.template: Template
        if source.strip():
            self.template = ChatTemplate(source, vocabulary.bos_text, vocabulary.eos_text)
            self.sha256 = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
            self.stops: tuple[str, ...] = ()
            self._reasoning = detect(source, vocabulary.special_pieces)
        else:
            transcript = TranscriptFormat(DEFAULT_ASSISTANT)
            self.template, self.stops = transcript, transcript.stop
            self.sha256 = ""
            self._reasoning = None

    def splitter(self, built: BuiltPrompt, messages: Sequence[Message]) -> ReasoningSplitter:
        """What tells reasoning and answer apart in the answer to a prompt."""
        return splitter_for(self._reasoning, built.text, messages)

    def shown(self, token: int) -> bytes:
        """The bytes a generated token adds to what is read.

        A control token adds none, as in llama.cpp's own programs, unless the delimiters of reasoning are made
        of it.
        """
        known = self._shown.get(token)
        if known is None:
            piece = self._vocabulary.piece(token)
            if self._vocabulary.is_control(token) and not self._delimits(piece):
                piece = b""
            known = self._shown[token] = piece
        return known

    def _delimits(self, piece: bytes) -> bool:
        text = piece.decode("utf-8", "replace")
        return self._reasoning is not None and any(text in d for d in self._reasoning.delimiters)


class AnswerStream:
    """Turns the bytes of tokens into whole characters, reasoning apart, and never part of a stop string.

    Bytes that are no UTF-8 become U+FFFD, as soon as no later byte can make them a character. Stop strings
    count in the answer only, since they are the user's and the reasoning is the model's.

    Args:
        splitter: finds the reasoning; new for each answer.
        stops: strings that end the answer.
    """

    def __init__(self, splitter: ReasoningSplitter, stops: Sequence[str]) -> None:
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._splitter = splitter
        self._stops = StopStrings(stops)

    @property
    def stop(self) -> str | None:
        """The stop string that ended the answer; everything after it is dropped."""
        return self._stops.found

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that the bytes of one more token make certain."""
        text = self._characters.decode(data)
        if text:
            yield from self._pass(self._splitter.feed(text))

    def finish(self) -> Iterator[Event]:
        """The events of everything that was held back, when no more tokens come."""
        rest = self._characters.decode(b"", final=True)
        yield from self._pass(self._splitter.feed(rest))
        yield from self._pass(self._splitter.finish())
        if held := self._stops.finish():
            yield TextDelta(held)

    def _pass(self, events: Sequence[Event]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, TextDelta):
                if shown := self._stops.feed(event.text):
                    yield TextDelta(shown)
            elif isinstance(event, ReasoningDelta) and self.stop is None:
                yield event
