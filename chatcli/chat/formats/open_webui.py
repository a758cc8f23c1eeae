"""Reads Open WebUI's export, in which ``chat.history`` is a tree with ``parentId`` and ``currentId``."""

import html
import re
from collections.abc import Mapping
from typing import Any

from chatcli.chat.conversation import Conversation
from chatcli.chat.formats.foreign import (
    Entry,
    about_message,
    grow,
    in_order,
    new_conversation,
    one_line,
    words_of,
)
from chatcli.chat.message import Message, Role
from chatcli.errors import DataError

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
# Reasoning inside an answer: its lines are quoted with "> ", and later versions escape them for HTML.
_OPENING = re.compile(r'<details type="reasoning"[^<>]*>\n?(?:<summary>[^<]*</summary>\n?)?')
_CLOSING = "</details>"
_QUOTED = re.compile(r"^> ?", re.MULTILINE)


def read_open_webui(record: Any, assistant: str) -> Conversation:
    """Read one chat of the export with all its branches; raises DataError."""
    record = record if isinstance(record, dict) else {}
    chat = record.get("chat", record)
    history = chat.get("history") if isinstance(chat, dict) else None
    messages = history.get("messages") if isinstance(history, dict) else None
    if not isinstance(messages, dict) or not isinstance(chat, dict) or not isinstance(history, dict):
        raise DataError("expected chat.history.messages, an object of messages")
    entries = []
    for key, message in messages.items():
        try:
            entries.append(_entry(key, message))
        except DataError as error:
            raise DataError(f"message {key!r:.60}: {error}") from None
    title = record.get("title") or chat.get("title")
    started = record.get("created_at") or chat.get("timestamp")
    conversation = new_conversation(title, started, assistant)
    system = (chat.get("params") or {}).get("system") if isinstance(chat.get("params"), dict) else None
    if isinstance(system, str) and system:
        entries = _below_system(entries, system)
    current = history.get("currentId")
    ordered = in_order(entries, (message.get("childrenIds") for message in messages.values()))
    return grow(conversation, ordered, current if isinstance(current, str) else None)


def _below_system(entries: list[Entry], system: str) -> list[Entry]:
    """Make the system prompt, which Open WebUI keeps as a parameter, the first message."""
    known = {entry.key for entry in entries}
    for entry in entries:
        if entry.parent not in known:
            entry.parent = ""
    return [Entry("", None, Message(Role.SYSTEM, system)), *entries]


def _entry(key: str, message: Any) -> Entry:
    if not isinstance(message, dict):
        raise DataError("expected an object with role and content")
    role, parent = message.get("role"), message.get("parentId")
    if not isinstance(role, str) or role not in _ROLES:
        raise DataError(f"unknown role {role!r:.60}; expected user, assistant or system")
    content = words_of(message.get("content"))
    files = message.get("files")
    notes = [_file_note(file) for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    reasoning = None
    if role == "assistant":
        content, reasoning = _without_reasoning(content)
    words = "\n".join([content, *notes]) if notes else content
    told = Message(_ROLES[role], words, reasoning)
    extra = about_message(message.get("timestamp"), message.get("model") if role == "assistant" else None)
    return Entry(key, parent if isinstance(parent, str) else None, told, extra=extra)


def _file_note(file: Mapping[str, Any]) -> str:
    kind = "image" if "image" in str(file.get("type")) else "file"
    name = one_line(file.get("name"))
    return f"[{kind}: {name}]" if name else f"[{kind}]"


def _without_reasoning(content: str) -> tuple[str, str | None]:
    """Split an answer into its text and its reasoning."""
    words, thoughts, at = [], [], 0
    while found := _OPENING.search(content, at):
        end = content.find(_CLOSING, found.end())
        if end < 0:
            break
        words.append(content[at : found.start()])
        thoughts.append(_QUOTED.sub("", html.unescape(content[found.end() : end]).strip("\n")))
        at = end + len(_CLOSING)
    if not thoughts:
        return content, None
    return "".join([*words, content[at:]]).lstrip("\n"), "\n\n".join(thoughts)
