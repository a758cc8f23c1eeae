"""What is counted and timed while an answer comes, for its record."""

import time

from chatcli.chat.message import FinishReason, Generation, ModelRef, Timings, Usage
from chatcli.sampling import SamplingParams


class Tally:
    """The bookkeeping of one answer.

    Args:
        params: the sampling parameters, the seed among them.
        thinking: whether it was asked to reason.

    Attributes:
        finish_reason: set it before ``generation``.
        prompt_tokens, cached, decoded, completion: see ``chat.message.Usage``.
        prompt_read: when the prompt had been read, on the monotonic clock.
    """

    def __init__(self, params: SamplingParams, thinking: bool | None) -> None:
        self.params = params
        self.thinking = thinking
        self.finish_reason = FinishReason.END
        self.prompt_tokens = self.cached = self.decoded = self.completion = 0
        self.start = time.monotonic()
        self.prompt_read = self.first = self.last = 0.0

    def count(self) -> None:
        """One more token was generated."""
        self.completion += 1
        self.last = time.monotonic()
        self.first = self.first or self.last

    def generation(self, model: ModelRef, versions: dict[str, str]) -> Generation:
        """What is recorded of the answer."""
        usage = Usage(self.prompt_tokens, self.cached, self.decoded, self.completion)
        first = self.first - self.start if self.first else 0.0
        timings = Timings(max(0.0, self.prompt_read - self.start), first, self.last - self.first)
        return Generation(model, self.finish_reason, self.params, usage, timings, versions, self.thinking)
