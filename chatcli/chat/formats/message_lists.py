"""Chats as lists of messages: OpenAI's and TRL's ``messages``, ShareGPT's ``conversations``, our own JSON."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from chatcli.chat.conversation import Conversation
from chatcli.chat.formats.foreign import Entry, about_message, chain, grow, new_conversation, words_of
from chatcli.chat.message import Message, Picture, Role
from chatcli.chat.pictures import in_words
from chatcli.chat.transcript import markup
from chatcli.errors import DataError, UsageError

_ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("user", "human"), Role.USER),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt"), Role.ASSISTANT),
    **dict.fromkeys(("system", "developer"), Role.SYSTEM),
}
_TOOLS = {"tool", "function", "function_call", "function_response", "observation"}
_REASONING = ("reasoning", "reasoning_content", "thinking")


def read_messages(record: Any, assistant: str) -> Conversation:
    """A list of messages, or an object that has one as ``messages`` or ``conversations``.

    Args:
        record: parsed JSON.
        assistant: the assistant's name, unless the record gives one.

    Raises:
        DataError: it is not that; says which message is wrong.
    """
    about = record if isinstance(record, dict) else {}
    messages = record if isinstance(record, list) else _list_of(about)
    name = about.get("assistant")
    if isinstance(name, str):
        with contextlib.suppress(UsageError):  # a name elsewhere need not be a tag
            assistant = markup.check_name(name)
    started = next((about[key] for key in ("started", "created_at", "create_time") if key in about), None)
    entries = []
    for number, message in enumerate(messages, 1):
        try:
            entries.append(_entry(message))
        except DataError as error:
            raise DataError(f"message {number}: {error}") from None
    return grow(new_conversation(about.get("title"), started, assistant), chain(entries), None)


def _list_of(record: Mapping[str, Any]) -> list[Any]:
    for key in ("messages", "conversations"):
        if isinstance(record.get(key), list):
            return record[key]  # type: ignore[no-any-return]
    raise DataError("expected a list of messages, or an object with messages or conversations")


def _entry(message: Any) -> Entry:
    if not isinstance(message, dict):
        raise DataError("expected an object with role and content, or from and value")
    name = message.get("role", message.get("from"))
    words = words_of(message.get("content", message.get("value")))
    content = in_words(Message(Role.USER, words, pictures=_pictures(message.get("pictures"))))
    extra = about_message(message.get("time", message.get("timestamp")), message.get("model"))
    if isinstance(name, str) and name.lower() in _TOOLS:
        return Entry("", None, work=content)
    role = _ROLES.get(name.lower()) if isinstance(name, str) else None
    if role is None:
        raise DataError(f"there is no role {name!r:.60}; expected user, assistant, system or tool")
    if role is not Role.ASSISTANT:
        return Entry("", None, Message(role, content), extra=extra)
    calls = message.get("tool_calls") or message.get("function_call")
    if calls and not content:
        return Entry("", None, work=json.dumps(calls, ensure_ascii=False))
    reasoning = next((message[key] for key in _REASONING if isinstance(message.get(key), str)), None)
    return Entry("", None, Message(role, content, reasoning), extra=extra)


def _pictures(value: Any) -> tuple[Picture, ...]:
    """What our own JSON says of pictures. Their bytes are not in it, so their names become words."""
    listed = value if isinstance(value, list) else []
    names = (item.get("name") for item in listed if isinstance(item, dict))
    return tuple(Picture("", name) for name in names if isinstance(name, str))
