"""A conversation as one JSON object: our own, ShareGPT's, TRL's. ``message_lists`` reads them back.

ShareGPT's and TRL's are words only; our own says which pictures a message has.
"""

from collections.abc import Callable, Mapping
from typing import Any

from chatcli.chat.conversation import EPOCH, Conversation
from chatcli.chat.message import Message, Role

_SHAREGPT = {Role.USER: "human", Role.ASSISTANT: "gpt", Role.SYSTEM: "system"}


def messages_record(conversation: Conversation) -> dict[str, Any]:
    """Our own: what the conversation is called, and the messages of its active path, reasoning included."""
    about = {"id": conversation.id, "title": conversation.title, "assistant": conversation.assistant}
    if conversation.started != EPOCH:
        about["started"] = conversation.started.isoformat()
    return {**about, "messages": [_message(message) for message in conversation.messages()]}


def sharegpt_record(conversation: Conversation) -> dict[str, Any]:
    """ShareGPT's: ``{"conversations": [{"from": "human", "value": ...}, {"from": "gpt", ...}]}``."""
    return {
        "conversations": [
            {"from": _SHAREGPT[message.role], "value": message.content} for message in conversation.messages()
        ]
    }


def trl_record(conversation: Conversation) -> dict[str, Any]:
    """The conversational language-modeling form of TRL: ``{"messages": [{"role", "content"}]}``."""
    return {
        "messages": [
            {"role": message.role.value, "content": message.content} for message in conversation.messages()
        ]
    }


def picture_records(message: Message) -> list[dict[str, str]]:
    """Which pictures a message has; not what is in them."""
    return [{"sha256": picture.sha256, "name": picture.name} for picture in message.pictures]


#: The formats of which a file holds many conversations, a line each.
RECORDS: Mapping[str, Callable[[Conversation], dict[str, Any]]] = {
    "json": messages_record,
    "sharegpt": sharegpt_record,
    "trl": trl_record,
}


def _message(message: Message) -> dict[str, Any]:
    record: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.reasoning is not None:
        record["reasoning"] = message.reasoning
    if message.pictures:
        record["pictures"] = picture_records(message)
    if message.generation is not None:
        record["model"] = message.generation.model.name
        record["finish_reason"] = message.generation.finish_reason.value
    return record
