"""Which messages fit the model's context, and which are left out.

Whole exchanges leave, oldest first: half an exchange (an answer without its question) misleads a model, and
many chat templates refuse it. System prompts and the last message always stay.

When something has to leave, enough leaves for the rest to fill at most three quarters of the budget, and
that beginning is kept on later turns (``first_kept``) as long as it fits. The KV cache is reused by common
prefix: if the beginning moved at every turn, the model would have to read everything again at every turn.
This way it does so once in about a quarter of a context.
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
    """A choice among the messages of a conversation.

    Attributes:
        kept, left_out: indices of the messages, ascending; together all of them.
        first_kept: to be given to ``fit`` on the next turn. 0 when nothing is left out.
        size: what ``measure`` says of the kept messages.
    """

    kept: tuple[int, ...]
    left_out: tuple[int, ...]
    first_kept: int
    size: int


def fit(
    messages: Sequence[Message],
    budget: int,
    measure: Callable[[Sequence[Message]], int],
    first_kept: int = 0,
) -> Window:
    """Choose the messages to send.

    Args:
        messages: the active path, oldest first, with the message to be answered last.
        budget: tokens the prompt may take.
        measure: tokens of the prompt for some messages. More messages never take fewer tokens. It is called
            once when nothing has to change, and O(log n) times otherwise.
        first_kept: ``Window.first_kept`` of the turn before, for messages that only grew since; 0 starts
            afresh, as after another model, branch or budget.

    Raises:
        ContextOverflow: the system prompts and the last message alone are over the budget.
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
    if fits is None:  # the search ended on the newest exchange alone; it may still fit whole
        newest = len(messages) - 1
        fits = window if window.size <= budget or starts[-1] >= newest else at(newest)
    if fits.size > budget:
        raise ContextOverflow(fits.size, budget)
    return fits


def _exchanges(messages: Sequence[Message]) -> list[int]:
    """Where a window may begin: at the first message, and at each later one of the user's."""
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
    """Chooses the messages of each prompt. What was left out stays out as a chat grows.

    Args:
        context_size: tokens that prompt and answer share.
    """

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
            messages: the conversation, oldest first.
            measure: returns the tokens of the prompt for some of the messages.
            remember: whether this prompt will be read, so that the next one begins with the same message.

        Raises:
            ContextOverflow: not even the system prompts and the last message fit.
            UsageError: there is no message.
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
