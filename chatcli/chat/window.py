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
from chatcli.errors import ContextOverflow

_REFILL = 0.75


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
