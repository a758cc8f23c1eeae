"""How much of a conversation a prompt may take, remembered from turn to turn."""

from collections.abc import Callable, Sequence

from chatcli.chat.message import Message
from chatcli.chat.window import Window, fit
from chatcli.errors import ContextOverflow, UsageError
from chatcli.sampling import SamplingParams

_ROOM = 1024


def room_for_answer(params: SamplingParams, context_size: int) -> int:
    """Tokens of the context that a prompt must leave free.

    ``max_tokens`` where it is set, but at most half of the context; otherwise 1024, but at most a quarter. An
    answer may grow beyond it where the prompt is shorter.
    """
    if params.max_tokens is not None:
        return max(1, min(params.max_tokens, context_size // 2))
    return max(1, min(_ROOM, context_size // 4))


class Fitting:
    """Chooses the messages of each prompt; what was left out stays out as a chat grows (``chat.window``).

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
        """The messages that fit beside an answer.

        Args:
            messages: the conversation, oldest first.
            measure: tokens of the prompt for some of the messages.
            remember: whether this prompt will really be read, so that the next one begins alike.

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
