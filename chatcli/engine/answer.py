"""What every engine needs while an answer comes: stop strings, and the counts and times for its record."""

import time
from collections.abc import Sequence
from typing import Any

from chatcli.chat.message import FinishReason, Generation, ModelRef, Timings, Usage
from chatcli.sampling import SamplingParams


class StopStrings:
    """Passes text on until a stop string is complete, and holds back what might become one.

    The stop string that is *completed* first wins; of several completed by the same character, the longest.
    So the result does not depend on how the text was cut into pieces.

    Args:
        stops: strings that end the text and are not part of it; none may be empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.found: str | None = None  # the stop string that ended the text
        self._stops = tuple(stops)
        self._held = ""

    def feed(self, piece: str) -> str:
        """Add a piece; returns the text that can be shown now. Empty after a stop string was found."""
        if not self._stops:
            return piece
        if self.found is not None:
            return ""
        text = self._held + piece
        ends = [(start + len(stop), start, stop) for stop in self._stops if (start := text.find(stop)) >= 0]
        if ends:
            _, start, self.found = min(ends)
            self._held = ""
            return text[:start]
        hold = max(overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - hold :]
        return text[: len(text) - hold]

    def finish(self) -> str:
        """End the text; returns what was held back."""
        held, self._held = self._held, ""
        return held


def overlap(text: str, delimiter: str) -> int:
    """Length of the longest end of ``text`` that begins ``delimiter`` and is shorter than it."""
    longest = min(len(text), len(delimiter) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(delimiter[:n])), 0)


def common_length(left: Sequence[Any], right: Sequence[Any]) -> int:
    """Length of the common beginning of two sequences."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(left), len(right)))


class AnswerStats:
    """Counts of one answer, as in ``chat.message.Usage``, and its times on the monotonic clock."""

    def __init__(self, params: SamplingParams, thinking: bool | None) -> None:
        self.params = params
        self.thinking = thinking
        self.finish_reason = FinishReason.END
        self.prompt_tokens = self.cached = self.decoded = self.completion = 0
        self.start = time.monotonic()
        self.prompt_read = self.first = self.last = 0.0

    def count(self) -> None:
        """Count one more generated token."""
        self.completion += 1
        self.last = time.monotonic()
        self.first = self.first or self.last

    def generation(self, model: ModelRef, versions: dict[str, str]) -> Generation:
        """The record of the answer."""
        usage = Usage(self.prompt_tokens, self.cached, self.decoded, self.completion)
        first = self.first - self.start if self.first else 0.0
        timings = Timings(max(0.0, self.prompt_read - self.start), first, self.last - self.first)
        return Generation(model, self.finish_reason, self.params, usage, timings, versions, self.thinking)
