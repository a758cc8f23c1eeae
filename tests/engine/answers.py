"""Asks an engine and says what came, in few words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatcli.chat.message import FinishReason, Message, Usage
from chatcli.engine.base import Cancellation, Engine, Event, Finished, ReasoningDelta, TextDelta
from chatcli.sampling import SamplingParams


@dataclass(frozen=True)
class Answer:
    """Everything an engine said to one question."""

    events: tuple[Event, ...]

    @property
    def text(self) -> str:
        """The answer."""
        return "".join(e.text for e in self.events if isinstance(e, TextDelta))

    @property
    def reasoning(self) -> str:
        """The reasoning."""
        return "".join(e.text for e in self.events if isinstance(e, ReasoningDelta))

    @property
    def finished(self) -> Finished:
        """The last event, which must be this."""
        last = self.events[-1]
        assert isinstance(last, Finished)
        return last

    @property
    def usage(self) -> Usage:
        """The token counts."""
        return self.finished.generation.usage

    @property
    def finish_reason(self) -> FinishReason:
        """Why it ended."""
        return self.finished.generation.finish_reason

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Prompt, cached, decoded, completion."""
        usage = self.usage
        return (usage.prompt_tokens, usage.cached_tokens, usage.decoded_tokens, usage.completion_tokens)


def ask(
    engine: Engine,
    messages: Sequence[Message],
    params: SamplingParams,
    stop_when: Callable[[Event], bool] = lambda event: False,
    thinking: bool | None = None,
) -> Answer:
    """Answer the last message; cancel as soon as an event makes ``stop_when`` true."""
    cancel = Cancellation()
    events: list[Event] = []
    for event in engine.generate(messages, params, cancel=cancel, thinking=thinking):
        events.append(event)
        if stop_when(event):
            cancel.set()
    return Answer(tuple(events))
