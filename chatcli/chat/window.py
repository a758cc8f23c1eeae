"""Chooses the messages that fit the model's context.

Whole exchanges are left out, oldest first: an answer without its question misleads a model, and many chat
templates refuse it. System prompts and the last message always stay.

When something has to go, enough goes for the rest to fill three quarters of the budget at most, and later
turns keep that beginning (``first_kept``) while it fits. The KV cache is reused by common prefix: if the
beginning moved at every turn, every turn would decode the whole prompt again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatcli.chat.message import Message, Role
from chatcli.errors import ContextOverflow, UsageError
from chatcli.sampling import SamplingParams

_REFILL = 0.75
_ROOM = 1024


@dataclass(frozen=True, slots=True)
class Window:
    """The messages of a conversation that fit.

    Attributes:
        kept, left_out: indices of the messages, ascending; together all of them.
        first_kept: pass it to ``fit`` on the next turn. 0 if nothing is left out.
    """

    kept: tuple[int, ...]
    left_out: tuple[int, ...]
    first_kept: int
    size: int


def fit(
    messages: Sequence[Message], budget: int, measure: Callable[[Sequence[Message]], int], first_kept: int = 0
) -> Window:
    """Choose the messages to send to the model.

    Args:
        budget: most tokens the prompt may take.
        measure: counts the tokens of a prompt; more messages never take fewer. Called once if nothing has
            to change, else O(log n) times.
        first_kept: ``Window.first_kept`` of the turn before; 0 after a change of model, branch or budget.
    """
    system = [i for i, message in enumerate(messages) if message.role is Role.SYSTEM]
    starts = _exchanges(messages)

    def at(begin: int) -> Window:
        kept = sorted({*system, *range(begin, len(messages))})
        left_out = tuple(i for i in range(begin) if messages[i].role is not Role.SYSTEM)
        size = measure([messages[i] for i in kept])
        return Window(tuple(kept), left_out, begin if left_out else 0, size)

    low = next((k for k, start in enumerate(starts) if start >= first_kept), 0)
    window = at(starts[low])
    if window.size <= budget:
        return window
    high, fits = len(starts), None
    low += 1
    while low < high:
        middle = (low + high) // 2
        window = at(starts[middle])
        if window.size <= budget * _REFILL:
            high, fits = middle, window
        else:
            low = middle + 1
    if fits is None:  # the search ended at the newest exchange; its last message alone may still fit
        newest = len(messages) - 1
        fits = window if window.size <= budget or starts[-1] >= newest else at(newest)
    if fits.size > budget:
        raise ContextOverflow(fits.size, budget)
    return fits


def _exchanges(messages: Sequence[Message]) -> list[int]:
    """Where a window may begin: at the first message and at each later user message."""
    starts = [0]
    spoken = False
    for i, message in enumerate(messages):
        if message.role is Role.USER and spoken:
            starts.append(i)
        spoken = spoken or message.role is not Role.SYSTEM
    return starts


def room_for_answer(params: SamplingParams, context_size: int) -> int:
    """Tokens of the context that a prompt must leave free.

    ``max_tokens`` if it is set, but at most half of the context; otherwise 1024, but at most a quarter. An
    answer may grow beyond that if the prompt is shorter.
    """
    if params.max_tokens is not None:
        return max(1, min(params.max_tokens, context_size // 2))
    return max(1, min(_ROOM, context_size // 4))


class ContextWindow:
    """Chooses the messages of each prompt. What was left out stays out as a chat grows."""

    def __init__(self, context_size: int) -> None:
        self._context_size = context_size
        self._seen: tuple[Message, ...] = ()
        self._first_kept = 0

    def choose(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        measure: Callable[[Sequence[Message]], int],
        *,
        remember: bool,
    ) -> Window:
        """Choose the messages that fit beside an answer.

        Args:
            remember: whether this prompt will be read, so that the next one begins with the same message.
        """
        if not messages:
            raise UsageError("there is no message to answer")
        grown = tuple(messages[: len(self._seen)]) == self._seen
        room = room_for_answer(params, self._context_size)
        try:
            budget = self._context_size - room
            window = fit(messages, budget, measure, self._first_kept if grown else 0)
        except ContextOverflow as error:
            raise ContextOverflow(error.needed + room, self._context_size) from None
        if remember:
            self._seen, self._first_kept = tuple(messages), window.first_kept
        return window
