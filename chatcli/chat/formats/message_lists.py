"""Chats as JSON lists of messages, written and read: our own, OpenAI's and TRL's, and ShareGPT's.

ShareGPT's and TRL's hold text only; our own also names the pictures of a message.
"""

import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from chatcli.chat.conversation import EPOCH, Conversation
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
_SHAREGPT = {Role.USER: "human", Role.ASSISTANT: "gpt", Role.SYSTEM: "system"}
_TOOLS = {"tool", "function", "function_call", "function_response", "observation"}
_REASONING = ("reasoning", "reasoning_content", "thinking")


def messages_record(conversation: Conversation) -> dict[str, Any]:
    """Our own form: facts of the conversation, and the messages of its active path with their reasoning."""
    about = {"id": conversation.id, "title": conversation.title, "assistant": conversation.assistant}
    if conversation.started != EPOCH:
        about["started"] = conversation.started.isoformat()
    return {**about, "messages": [_record(message) for message in conversation.messages()]}


def sharegpt_record(conversation: Conversation) -> dict[str, Any]:
    """ShareGPT's form: ``{"conversations": [{"from": "human", "value": ...}, {"from": "gpt", ...}]}``."""
    messages = conversation.messages()
    return {"conversations": [{"from": _SHAREGPT[m.role], "value": m.content} for m in messages]}


def trl_record(conversation: Conversation) -> dict[str, Any]:
    """TRL's conversational language-modeling form: ``{"messages": [{"role", "content"}]}``."""
    return {"messages": [{"role": m.role.value, "content": m.content} for m in conversation.messages()]}


#: The formats whose files hold many conversations, one per line.
RECORDS: Mapping[str, Callable[[Conversation], dict[str, Any]]] = {
    "json": messages_record,
    "sharegpt": sharegpt_record,
    "trl": trl_record,
}


def picture_records(message: Message) -> list[dict[str, str]]:
    """Which pictures a message has, without their contents."""
    return [{"sha256": picture.sha256, "name": picture.name} for picture in message.pictures]


def _record(message: Message) -> dict[str, Any]:
    record: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.reasoning is not None:
        record["reasoning"] = message.reasoning
    if message.pictures:
        record["pictures"] = picture_records(message)
    if message.generation is not None:
        record["model"] = message.generation.model.name
        record["finish_reason"] = message.generation.finish_reason.value
    return record


def read_messages(record: Any, assistant: str) -> Conversation:
    """Read a list of messages, or an object with one as ``messages`` or ``conversations``.

    Args:
        record: parsed JSON.
        assistant: the assistant's name, if the record gives none.

    Raises:
        DataError: it is neither, or a message is wrong; says which.
    """
    about = record if isinstance(record, dict) else {}
    messages = record if isinstance(record, list) else _list_of(about)
    name = about.get("assistant")
    if isinstance(name, str):
        with contextlib.suppress(UsageError):  # names of other programs need not be valid tags
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
        raise DataError(f"unknown role {name!r:.60}; expected user, assistant, system or tool")
    if role is not Role.ASSISTANT:
        return Entry("", None, Message(role, content), extra=extra)
    calls = message.get("tool_calls") or message.get("function_call")
    if calls and not content:
        return Entry("", None, work=json.dumps(calls, ensure_ascii=False))
    reasoning = next((message[key] for key in _REASONING if isinstance(message.get(key), str)), None)
    return Entry("", None, Message(role, content, reasoning), extra=extra)


def _pictures(value: Any) -> tuple[Picture, ...]:
    """The pictures named in our own JSON. It lacks their bytes, so their names become text."""
    listed = value if isinstance(value, list) else []
    names = (item.get("name") for item in listed if isinstance(item, dict))
    return tuple(Picture("", name) for name in names if isinstance(name, str))
