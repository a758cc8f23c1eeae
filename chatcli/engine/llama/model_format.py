"""How a model's prompts are made and its answers are read: by its chat template, or as a transcript."""

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


class ModelFormat:
    """The template, stop strings and form of reasoning of a model.

    Args:
        source: the text of its chat template; blank if it has none.

    Attributes:
        sha256: hex checksum of the chat template; empty without one.
        stops: strings that end every answer, besides the model's end tokens.

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
        """A splitter of reasoning and answer, for the answer to a prompt."""
        return splitter_for(self._reasoning, built.text, messages)

    def shown(self, token: int) -> bytes:
        """The bytes that a generated token adds to the answer.

        A control token adds none, as in llama.cpp's own programs, unless it belongs to a delimiter of
        reasoning.
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
    """Turns the bytes of tokens into events of whole characters, with reasoning and stop strings taken out.

    Bytes that are not UTF-8 become U+FFFD as soon as no later byte can complete a character. Stop strings
    count in the answer only, not in the reasoning.
    """

    def __init__(self, splitter: ReasoningSplitter, stops: Sequence[str]) -> None:
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._splitter = splitter
        self._stops = StopStrings(stops)

    @property
    def stop(self) -> str | None:
        """The stop string that ended the answer, or None. Everything after it is dropped."""
        return self._stops.found

    def feed(self, data: bytes) -> Iterator[Event]:
        """Add the bytes of a token; returns the events that are certain now."""
        text = self._characters.decode(data)
        if text:
            yield from self._pass(self._splitter.feed(text))

    def finish(self) -> Iterator[Event]:
        """End the answer; returns the events of what was held back."""
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
