"""Reads the chats of a JSON file, one after the other; a damaged chat does not cost the others.

The file may be one chat, an array of chats, one chat per line (JSONL), or a list of messages.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chatcli.chat.conversation import Conversation
from chatcli.chat.formats.chatgpt import read_chatgpt
from chatcli.chat.formats.foreign import ORIGIN, one_line, origin_of
from chatcli.chat.formats.message_lists import read_messages
from chatcli.chat.formats.open_webui import read_open_webui
from chatcli.errors import DataError

#: The formats that can be read. json, sharegpt and trl share a reader, which looks at each message.
READERS: Mapping[str, Callable[[Any, str], Conversation]] = {
    "json": read_messages,
    "sharegpt": read_messages,
    "trl": read_messages,
    "chatgpt": read_chatgpt,
    "open-webui": read_open_webui,
}
_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Imported:
    """A chat that was read.

    Attributes:
        place: where in the file; empty for all of it.
        conversation: with its origin in ``extra``. It may be empty: some exports contain empty chats.
    """

    place: str
    conversation: Conversation


class _NotJson(Exception):
    def __init__(self, at: int, problem: str) -> None:
        self.at, self.problem = at, problem


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A chat, or the rest of the file, that could not be read: where, why and what was expected."""

    place: str
    problem: str


def read_chats(text: str, *, assistant: str, kind: str | None = None) -> Iterator[Imported | Unreadable]:
    """Read every chat of a file.

    Args:
        assistant: the assistant's name in the new conversations.
        kind: one of ``READERS``, or None to detect it for each chat.
    """
    for item in _items(text):
        if isinstance(item, Unreadable):
            yield item
            continue
        place, record = item
        found = kind or kind_of(record)
        title = one_line(record.get("title")) if isinstance(record, dict) else ""
        named = f'{place} "{title}"'.strip() if title else place
        if found is None:
            yield Unreadable(named, "not a chat; expected messages, conversations, mapping or chat.history")
            continue
        try:
            conversation = READERS[found](record, assistant)
        except DataError as error:
            yield Unreadable(named, str(error))
            continue
        conversation.extra = {ORIGIN: origin_of(conversation, found, _id_of(record))}
        yield Imported(named, conversation)


def kind_of(record: Any) -> str | None:
    """The format of a parsed chat, or None if it is none of them."""
    if isinstance(record, list):
        return "json"
    if not isinstance(record, dict):
        return None
    if "mapping" in record:
        return "chatgpt"
    if isinstance(record.get("chat"), dict) or isinstance(record.get("history"), dict):
        return "open-webui"
    if isinstance(record.get("conversations"), list):
        return "sharegpt"
    return "json" if isinstance(record.get("messages"), list) else None


def _id_of(record: Any) -> Any:
    if not isinstance(record, dict):
        return ""
    return next((record[key] for key in ("conversation_id", "id") if isinstance(record.get(key), str)), "")


def _items(text: str) -> Iterator[tuple[str, Any] | Unreadable]:
    """The parsed chats of a file and their places."""
    start = _skip(text, 0)
    if text.startswith("[", start):
        yield from _array(text, start + 1)
    elif _is_lines(text, start):
        yield from _lines(text)
    else:
        try:
            value, end = _decode(text, start)
        except _NotJson as error:
            yield Unreadable(_position(text, error.at), error.problem)
            return
        yield "", value
        if (end := _skip(text, end)) < len(text):
            yield Unreadable(_position(text, end), "text after the end of the JSON value; expected one chat")


def _array(text: str, at: int) -> Iterator[tuple[str, Any] | Unreadable]:
    """The items of an array, parsed one at a time. Nothing after a syntax error can be read."""
    messages: list[Any] | None = None
    number, at = 0, _skip(text, at)
    while not text.startswith("]", at):
        number += 1
        place = f"conversation {number}"
        try:
            value, at = _decode(text, at)
        except _NotJson as error:
            problem = f"{_position(text, error.at)}: {error.problem}"
            yield Unreadable(place, f"{problem}; this one and the rest of the file were not read")
            break
        if number == 1 and _is_message(value):
            messages = []
        if messages is None:
            yield place, value
        else:
            messages.append(value)
        at = _skip(text, at)
        if text.startswith(",", at):
            at = _skip(text, at + 1)
        elif not text.startswith("]", at):
            where = _position(text, at)
            yield Unreadable(f"after {place}", f"{where}: expected a comma or ]; the file may be cut off")
            break
    if messages is not None:
        yield "", messages


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and ("role" in value or "from" in value) and "messages" not in value


def _is_lines(text: str, start: int) -> bool:
    """Whether the text is JSONL: its first line is an object, and there are more lines."""
    end = text.find("\n", start)
    return end >= 0 and text[start:end].rstrip(_SPACE).endswith("}") and bool(text[end:].strip(_SPACE))


def _lines(text: str) -> Iterator[tuple[str, Any] | Unreadable]:
    at = 0
    number = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line, at, number = text[at:end].strip(_SPACE), end + 1, number + 1
        if not line:
            continue
        try:
            value, stop = _decode(line, 0)
            if stop < len(line):
                raise _NotJson(stop, "text after the end of the JSON value")
        except _NotJson as error:
            yield Unreadable(f"line {number}", f"column {error.at + 1}: {error.problem}")
        else:
            yield f"line {number}", value


def _decode(text: str, at: int) -> tuple[Any, int]:
    """Parse one JSON value; return it and where it ends. Raises _NotJson."""
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        what = (error.msg[:1].lower() + error.msg[1:]).removesuffix(" starting at")
        raise _NotJson(error.pos, f"not JSON: {what}") from None
    except RecursionError:
        raise _NotJson(at, "nested too deeply") from None
    except ValueError:  # Python limits the digits of a number that it converts
        raise _NotJson(at, "a number with thousands of digits") from None


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _position(text: str, at: int) -> str:
    """A place as line:column, from 1."""
    return f"{text.count(chr(10), 0, at) + 1}:{at - text.rfind(chr(10), 0, at)}"
