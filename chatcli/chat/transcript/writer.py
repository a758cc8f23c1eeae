"""Writes conversations as transcripts, one element at a time, so that storage can make each durable.

The format is specified in docs/transcript-format.md. The writer leaves out what a reader of the file so far
already knows (``Position``); a resumed chat gets its position from ``transcript_reader``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC

from chatcli.chat import pictures
from chatcli.chat.conversation import DEFAULT_ASSISTANT, Conversation, Node
from chatcli.chat.message import Message, Role
from chatcli.chat.transcript import markup, provenance


@dataclass(frozen=True, slots=True)
class Position:
    """What a reader knows at the end of a file, and the next element need not repeat.

    Attributes:
        previous: id of the last message; the next one follows it unless it names another parent.
        model: attributes of the last ``<model/>`` element.
    """

    assistant: str = DEFAULT_ASSISTANT
    previous: int | None = None
    model: Mapping[str, str] = field(default_factory=dict)


def tag_of(role: Role, assistant: str) -> str:
    """The tag of a role's messages."""
    return assistant if role is Role.ASSISTANT else role.value


def render_session(conversation: Conversation) -> str:
    """The ``<session/>`` element that begins a file."""
    started = conversation.started.astimezone(UTC).isoformat().replace("+00:00", "Z")
    values = {"id": conversation.id, "started": started, "title": conversation.title}
    values["assistant"] = markup.check_name(conversation.assistant)
    if not conversation.title:
        del values["title"]
    return markup.void("session", values | {k: v for k, v in conversation.extra.items() if k not in values})


def render_message(node: Node, position: Position) -> tuple[str, Position]:
    """A message as one element, preceded by ``<model/>`` if its model differs from the last one named.

    Returns:
        The text, to be written in one piece, and the position after it.
    """
    message, text, model = node.message, "", position.model
    values = {"id": str(node.id)}
    if node.parent != position.previous:
        values["parent"] = str(node.parent or 0)
    if message.generation is not None:
        if (facts := provenance.model_attributes(message.generation)) != model:
            text, model = markup.void("model", facts), facts
        values |= provenance.answer_attributes(message.generation)
    elif model and provenance.FINISH in node.extra:
        # Attributes that were not understood must not look like an answer of the last model named.
        text, model = markup.void("model", {}), {}
    if message.reasoning is not None:
        values["reasoning"] = message.reasoning
    values |= pictures.attributes(message.pictures)
    values |= {k: v for k, v in node.extra.items() if k not in values and k not in {"parent", "reasoning"}}
    tag = tag_of(message.role, position.assistant)
    content = markup.escape(message.content, tag, position.assistant, numbered=True)
    text += f"<{tag}{markup.attributes(values)}>{content}</{tag}>\n"
    return text, replace(position, previous=node.id, model=model)


def render_head(head: int | None) -> str:
    """The element that moves the head to another message (None: before the first)."""
    return markup.void("head", {"id": str(head or 0)})


def render_title(title: str) -> str:
    """The element that renames the conversation."""
    return markup.void("title", {"text": title})


def render(conversation: Conversation) -> Iterator[str]:
    """A whole conversation, one element at a time."""
    yield render_session(conversation)
    position = Position(conversation.assistant)
    for node in conversation.nodes:
        text, position = render_message(node, position)
        yield text
    if conversation.head != position.previous:
        yield render_head(conversation.head)


def render_bare(messages: Iterable[Message], assistant: str = DEFAULT_ASSISTANT) -> Iterator[str]:
    """The bare form, one message at a time: tags and text only."""
    markup.check_name(assistant)
    for message in messages:
        tag = tag_of(message.role, assistant)
        yield f"<{tag}>{markup.escape(message.content, tag)}</{tag}>\n"


def stop_string(assistant: str = DEFAULT_ASSISTANT) -> str:
    """The string that ends an answer of a model that continues a transcript."""
    return f"</{assistant}>"


def render_prompt(messages: Sequence[Message], assistant: str = DEFAULT_ASSISTANT) -> str:
    """The prompt of a model without a chat template: a bare transcript up to where the model goes on.

    If the last message is an answer, its element is left open for the model to continue.
    """
    going_on = messages[-1] if messages and messages[-1].role is Role.ASSISTANT else None
    before = messages[:-1] if going_on else messages
    begun = markup.escape(going_on.content, assistant) if going_on else ""
    return "".join(render_bare(before, assistant)) + f"<{assistant}>{begun}"


def mend(end: bytes) -> bytes:
    """The bytes to append before the next element, so that a torn tail cannot swallow it.

    Args:
        end: at least the last byte of the file; empty for an empty file.
    """
    return b"" if not end or end.endswith(b"\n") else b"\n"
