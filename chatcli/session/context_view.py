"""What the model sees of a conversation, in tokens by message."""

from dataclasses import dataclass

from chatcli.chat.message import Message, Role
from chatcli.session.session import Session


@dataclass(frozen=True, slots=True)
class ContextPart:
    """One message of the context.

    Attributes:
        number: its place on the active path without system prompts, from 1; 0: the system prompt.
        message: what was said.
        tokens: of its words and pictures; 0 if it is left out.
        left_out: it no longer fits, and the model does not see it.
    """

    number: int
    message: Message
    tokens: int
    left_out: bool


@dataclass(frozen=True, slots=True)
class ContextView:
    """The context as it is now.

    Attributes:
        parts: its messages in order.
        template: tokens of the markup between them.
        total: tokens of the whole prompt.
        size: tokens the context holds, for prompt and answer.
    """

    parts: tuple[ContextPart, ...]
    template: int
    total: int
    size: int


def view_context(session: Session) -> ContextView:
    """Measure the conversation as it stands; waits for the engine.

    What a message says is measured apart from the others: each is read once, whatever the number of messages.

    Raises:
        ContextOverflow: not even the last message fits.
        UsageError: nothing has been said yet, or the engine does not count tokens.
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
        parts.append(
            ContextPart(0 if message.role is Role.SYSTEM else number, message, tokens, index in hidden)
        )
    total = len(prompt.tokens)
    template = max(0, total - sum(part.tokens for part in parts))
    return ContextView(tuple(parts), template, total, session.engine().context_size)
