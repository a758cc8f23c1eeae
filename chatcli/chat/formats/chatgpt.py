"""Reads ChatGPT's export (``conversations.json``), in which each conversation is a tree of nodes.

OpenAI documents no schema; this follows the files seen since 2023: ``mapping`` (node id ->
``message``, ``parent``, ``children``), ``current_node``, ``title``, ``create_time``. A message has
``author.role`` (user, assistant, system, tool), ``recipient`` (``all``, or the tool that is called) and a
``content`` whose ``content_type`` says where its text is.
"""

from collections.abc import Mapping
from typing import Any

from chatcli.chat.conversation import Conversation
from chatcli.chat.formats.foreign import Entry, about_message, grow, in_order, new_conversation, words_of
from chatcli.chat.message import Message, Role
from chatcli.errors import DataError

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
# Kinds of content that lead to an answer. reasoning_recap ("thought for 5 seconds") adds nothing.
_THOUGHTS = {"thoughts", "code", "execution_output", "tether_browsing_display", "tether_quote"}
_NOTHING = {"reasoning_recap", "model_editable_context"}


def read_chatgpt(record: Any, assistant: str) -> Conversation:
    """Read one conversation of the export with all its branches; raises DataError."""
    mapping = record.get("mapping") if isinstance(record, dict) else None
    if not isinstance(mapping, dict):
        raise DataError("expected an object with mapping, an object of nodes")
    entries = []
    for key, node in mapping.items():
        try:
            entries.append(_entry(key, node))
        except DataError as error:
            raise DataError(f"node {key!r:.60}: {error}") from None
    current = record.get("current_node")
    conversation = new_conversation(record.get("title"), record.get("create_time"), assistant)
    ordered = in_order(entries, (node.get("children") for node in mapping.values()))
    return grow(conversation, ordered, current if isinstance(current, str) else None)


def _entry(key: str, node: Any) -> Entry:
    if not isinstance(node, dict):
        raise DataError("expected an object with message, parent and children")
    parent, message = node.get("parent"), node.get("message")
    entry = Entry(key, parent if isinstance(parent, str) else None)
    if message is None:
        return entry
    if not isinstance(message, dict):
        raise DataError("its message is not an object")
    author, content = message.get("author"), message.get("content")
    if not isinstance(author, dict) or not isinstance(content, (dict, type(None))):
        raise DataError("its message has no author, or a content that is not an object")
    about = message.get("metadata")
    about = about if isinstance(about, dict) else {}
    if about.get("is_visually_hidden_from_conversation"):
        return entry
    kind = str((content or {}).get("content_type"))
    text = _text(content or {})
    name = author.get("role")
    if not text.strip() or kind in _NOTHING:
        return entry
    if name == "tool" or kind in _THOUGHTS or message.get("recipient", "all") != "all":
        entry.work = text
        return entry
    if not isinstance(name, str) or name not in _ROLES:
        raise DataError(f"unknown role {name!r:.60}; expected user, assistant, system or tool")
    entry.message = Message(_ROLES[name], text)
    entry.extra = about_message(message.get("create_time"), about.get("model_slug"))
    return entry


def _text(content: Mapping[str, Any]) -> str:
    """The text of a message's content of any kind; parts that are not text are named."""
    if "parts" in content:
        return words_of(content["parts"])
    if isinstance(content.get("thoughts"), list):
        thoughts = (t for t in content["thoughts"] if isinstance(t, dict))
        return "\n\n".join(filter(None, (words_of(t.get("content") or t.get("summary")) for t in thoughts)))
    for key in ("text", "result", "content"):
        if isinstance(content.get(key), str):
            return str(content[key])
    if content.get("content_type") == "user_editable_context":
        told = (content.get(key) for key in ("user_profile", "user_instructions"))
        return "\n\n".join(part for part in told if isinstance(part, str))
    return ""
