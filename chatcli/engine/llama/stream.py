"""From the bytes of generated tokens to the events of an answer."""

import codecs
from collections.abc import Iterator, Sequence

from chatcli.engine.answer import StopStrings
from chatcli.engine.base import Event, ReasoningDelta, TextDelta
from chatcli.engine.reasoning import ReasoningSplitter


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
