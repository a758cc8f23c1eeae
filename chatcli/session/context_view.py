"""Measures what the model sees of a conversation, in tokens per message."""

from dataclasses import dataclass

from chatcli.chat.message import Message, Role
from chatcli.session.session import Session


@dataclass(frozen=True, slots=True)
class ContextPart:
    """One message of the context.

    Attributes:
        number: its place on the active path, from 1, system prompts not counted; 0 for the system prompt.
        tokens: of its text and pictures; 0 if it is left out.
        left_out: whether it no longer fits, so that the model does not see it.
    """

    number: int
    message: Message
    tokens: int
    left_out: bool


@dataclass(frozen=True, slots=True)
class ContextView:
    """The present context.

    Attributes:
        parts: its messages in order.
        template: tokens of the markup between the messages.
        total: tokens of the whole prompt.
        size: tokens that the context holds, for prompt and answer.
    """

    parts: tuple[ContextPart, ...]
    template: int
    total: int
    size: int


def view_context(session: Session) -> ContextView:
    """Measure the conversation as it stands; waits for the engine.

    Each message is measured alone, so the time is linear in their number.

    Raises:
        ContextOverflow: not even the last message fits.
        UsageError: the conversation is empty, or the engine does not count tokens.
    """
    messages = session.conversation.prompt_messages()
    prompt = session.preview(None)
    hidden = set(prompt.left_out)
    around = len(session.prompt_of([Message(Role.USER, ".")]).tokens) - 1
    parts = []
    number = 0
    for index, message in enumerate(messages):
        number += message.role is not Role.SYSTEM
        tokens = 0
        if index not in hidden and (message.content or message.pictures):
            alone = session.prompt_of([Message(Role.USER, message.content, pictures=message.pictures)])
            tokens = max(0, len(alone.tokens) - around)
        place = 0 if message.role is Role.SYSTEM else number
        parts.append(ContextPart(place, message, tokens, index in hidden))
    total = len(prompt.tokens)
    template = max(0, total - sum(part.tokens for part in parts))
    return ContextView(tuple(parts), template, total, session.engine().context_size)
