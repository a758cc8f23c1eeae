"""Conversations into transcripts, one element at a time, because storage makes each durable on its own.

docs/transcript-format.md is the specification. ``Position`` is what a reader of the file so far knows; the
writer leaves out what goes without saying against it, and a resumed chat gets it from ``transcript_reader``.
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
    """What a reader knows at the end of a file; new elements are written against it.

    Attributes:
        assistant: the assistant's name.
        previous: id of the last message in the file; the next one follows it unless it says otherwise.
        model: attributes of the last ``<model/>`` element.
    """

    assistant: str = DEFAULT_ASSISTANT
    previous: int | None = None
    model: Mapping[str, str] = field(default_factory=dict)


def tag_of(role: Role, assistant: str) -> str:
    """The tag of what this role says."""
    return assistant if role is Role.ASSISTANT else role.value


def render_session(conversation: Conversation) -> str:
    """The element a file begins with."""
    started = conversation.started.astimezone(UTC).isoformat().replace("+00:00", "Z")
    values = {"id": conversation.id, "started": started, "title": conversation.title}
    values["assistant"] = markup.check_name(conversation.assistant)
    if not conversation.title:
        del values["title"]
    return markup.void("session", values | {k: v for k, v in conversation.extra.items() if k not in values})


def render_message(node: Node, position: Position) -> tuple[str, Position]:
    """A message as one element, after a ``<model/>`` element if the file does not name its model yet.

    Returns:
        The text, to be written in one piece, and the position once it is written.
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
        # Attributes that were not understood must not be taken for an answer of the last model named.
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
    """Says that the chat goes on from another message than the last one written (0: from the beginning)."""
    return markup.void("head", {"id": str(head or 0)})


def render_title(title: str) -> str:
    """Gives the conversation another title."""
    return markup.void("title", {"text": title})


def render(conversation: Conversation) -> Iterator[str]:
    """A whole conversation, element by element."""
    yield render_session(conversation)
    position = Position(conversation.assistant)
    for node in conversation.nodes:
        text, position = render_message(node, position)
        yield text
    if conversation.head != position.previous:
        yield render_head(conversation.head)


def render_bare(messages: Iterable[Message], assistant: str = DEFAULT_ASSISTANT) -> Iterator[str]:
    """The bare form, message by message: tags and words only."""
    markup.check_name(assistant)
    for message in messages:
        tag = tag_of(message.role, assistant)
        yield f"<{tag}>{markup.escape(message.content, tag)}</{tag}>\n"


def stop_string(assistant: str = DEFAULT_ASSISTANT) -> str:
    """What ends an answer of a model that continues a transcript."""
    return f"</{assistant}>"


def render_prompt(messages: Sequence[Message], assistant: str = DEFAULT_ASSISTANT) -> str:
    """The prompt of a model without a chat template: a bare transcript that breaks off where it shall go on.

    If the last message is an answer, its element is left open, so that the model continues it.
    """
    going_on = messages[-1] if messages and messages[-1].role is Role.ASSISTANT else None
    before = messages[:-1] if going_on else messages
    begun = markup.escape(going_on.content, assistant) if going_on else ""
    return "".join(render_bare(before, assistant)) + f"<{assistant}>{begun}"


def mend(end: bytes) -> bytes:
    """What to append to a file before the next element, so that a torn tail cannot swallow it.

    Args:
        end: the file's last byte or more; empty for an empty file.
    """
    return b"" if not end or end.endswith(b"\n") else b"\n"
