"""Shared by the readers of other programs' chats: values of any type, and building the tree of messages.

Other programs have roles that this one lacks: tools that are called, and their results. What an assistant
did before it spoke (tool calls, results, thoughts) becomes the reasoning of the answer that follows. It is
kept and shown, but not sent to a model as if it had been said.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chatcli.chat.conversation import DEFAULT_ASSISTANT, EPOCH, Conversation
from chatcli.chat.message import Message, Role
from chatcli.errors import DataError
from chatcli.words import excerpt

#: Attribute of the session that says where a conversation was imported from.
ORIGIN = "origin"
_LONGEST_TITLE = 200
_LONGEST_ID = 100
_MILLISECONDS = 1e11  # as seconds, the year 5138
_ATTACHED = {
    "image": "[image]",
    "audio": "[audio]",
    "video": "[video]",
    "file": "[file]",
    "document": "[file]",
}


@dataclass(slots=True)
class Entry:
    """One place in the tree of another program.

    Attributes:
        parent: key of the entry it follows; None or an unknown key if it begins a conversation.
        message: what was said, or None.
        work: what the assistant did or thought, or what a tool returned, before the next answer.
        extra: more attributes of the message.
    """

    key: str
    parent: str | None
    message: Message | None = None
    work: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


def new_conversation(title: Any, started: Any, assistant: str = DEFAULT_ASSISTANT) -> Conversation:
    """An empty conversation with the title and time of another program, whatever their types."""
    return Conversation("", moment(started), one_line(title), assistant)


def grow(conversation: Conversation, entries: Sequence[Entry], current: str | None) -> Conversation:
    """Put entries into an empty conversation, with all branches.

    Args:
        entries: siblings in order.
        current: key of the entry the chat goes on from; None or an unknown key for the newest message.

    Raises:
        DataError: entries follow each other in a circle, or two have the same key.
    """
    known = {entry.key for entry in entries}
    if len(known) != len(entries):
        raise DataError("two messages have the same id")
    below: dict[str | None, list[Entry]] = {}
    for entry in entries:
        below.setdefault(entry.parent if entry.parent in known else None, []).append(entry)
    places: dict[str, int | None] = {}
    pending: list[tuple[Entry, int | None, list[str]]] = [
        (e, None, []) for e in reversed(below.get(None, []))
    ]
    while pending:
        entry, parent, work = pending.pop()
        following = below.get(entry.key, [])
        only = len(following) == 1
        at, work = _place(conversation, entry, parent, work, only=only)
        places[entry.key] = at
        pending.extend((child, at, work if only else []) for child in reversed(following))
    if len(places) != len(entries):
        raise DataError(f"{len(entries) - len(places)} messages follow each other in a circle")
    if current in places:
        conversation.move_head(places[current])
    return conversation


def _place(
    conversation: Conversation, entry: Entry, parent: int | None, work: list[str], *, only: bool
) -> tuple[int | None, list[str]]:
    """Add what an entry says; return the id that the next one follows, and the work still to be told.

    An only child inherits the work. Before a branch or at an end, the work becomes an answer without text,
    so that the conversation has it exactly once.
    """
    message = entry.message
    if message is not None and message.role is Role.ASSISTANT:
        reasoning = "\n\n".join([*work, *filter(None, [message.reasoning])])
        told = Message(Role.ASSISTANT, message.content, reasoning if work else message.reasoning)
        return conversation.append(told, parent, entry.extra).id, []
    if entry.work:
        work.append(entry.work)
    if work and (message is not None or not only):
        parent = conversation.append(Message(Role.ASSISTANT, "", "\n\n".join(work)), parent).id
        work = []
    if message is not None:
        parent = conversation.append(message, parent, entry.extra).id
    return parent, work


def in_order(entries: Sequence[Entry], lists: Iterable[Any]) -> list[Entry]:
    """Sort siblings as their parents list them, because the order in a JSON object means nothing.

    Args:
        lists: each parent's list of its children's keys; anything else is ignored.
    """
    rank = {
        key: index
        for keys in lists
        for index, key in enumerate(keys if isinstance(keys, list) else ())
        if isinstance(key, str)
    }
    return sorted(entries, key=lambda entry: rank.get(entry.key, 0))


def chain(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Make each entry follow the one before it."""
    for index, entry in enumerate(entries):
        entry.key, entry.parent = str(index), str(index - 1) if index else None
    return entries


def origin_of(conversation: Conversation, kind: str, source_id: Any = "") -> str:
    """Where a conversation came from: ``FORMAT:ID:HASH``, with a hash of everything said and shown."""
    digest = hashlib.sha256()
    for node in conversation.nodes:
        message = node.message
        said = (str(node.parent or 0), message.role.value, message.content, message.reasoning or "")
        for part in (*said, *(picture.sha256 for picture in message.pictures)):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(b"%d:%s" % (len(data), data))
    name = one_line(source_id)[:_LONGEST_ID]
    return f"{kind}:{name}:{digest.hexdigest()[:32]}"


def words_of(value: Any) -> str:
    """The text of a message's content, with names for parts that are not text; raises DataError."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(_part, value)))
    if isinstance(value, dict):
        return _part(value)
    raise DataError(f"its content is {_kind(value)}; expected text")


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise DataError(f"a part of its content is {_kind(part)}; expected text")
    text = part.get("text")
    if isinstance(text, str):
        return text
    kind = str(part.get("type") or part.get("content_type") or "part")
    name = next((part[key] for key in ("name", "filename", "title") if isinstance(part.get(key), str)), "")
    note = next((note for word, note in _ATTACHED.items() if word in kind), f"[{one_line(kind)}]")
    return f"{note[:-1]}: {one_line(name)}]" if name else note


def one_line(value: Any) -> str:
    """Text of another program on one line of bounded length; empty for any other type."""
    if not isinstance(value, str):
        return ""
    return excerpt(value, _LONGEST_TITLE)


def moment(value: Any) -> datetime:
    """A time from seconds or milliseconds since 1970 or from ISO 8601; the epoch if it is none of these."""
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS else value
            return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return EPOCH


def about_message(time: Any = None, model: Any = None) -> dict[str, str]:
    """The attributes kept with a message of another program: when it was sent, and its model."""
    extra = {}
    if (sent := moment(time)) != EPOCH:
        extra["time"] = sent.isoformat().replace("+00:00", "Z")
    if name := one_line(model):
        extra["model"] = name
    return extra


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "nothing")
