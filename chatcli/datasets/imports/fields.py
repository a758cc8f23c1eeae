"""Reading foreign rows: values of the type they must have, or a word on what is wrong."""

from collections.abc import Mapping
from typing import Any

from chatcli.feedback.answers import PromptMessage


class Unusable(ValueError):
    """A row is not what its format says, or says nothing that could be kept."""


def said(value: Any) -> PromptMessage:
    """A message.

    Raises:
        Unusable: it is none.
    """
    if not isinstance(value, dict):
        raise Unusable("a message is an object with role and content")
    role, content = value.get("role"), value.get("content")
    if not isinstance(role, str) or not isinstance(content, str):
        raise Unusable("a message needs a role and a content that are text")
    reasoning = value.get("reasoning_content")
    return PromptMessage(
        role=role, content=content, reasoning=reasoning if isinstance(reasoning, str) else None
    )


def list_of(row: Mapping[str, Any], name: str) -> list[Any]:
    """A list in a row.

    Raises:
        Unusable: there is none.
    """
    value = row.get(name)
    if not isinstance(value, list) or not value:
        raise Unusable(f"{name} must be a list")
    return value


def text_of(row: Mapping[str, Any], name: str) -> str | None:
    """A text in a row, if there is one that says something."""
    value = row.get(name)
    return value if isinstance(value, str) and value else None


def part_of(row: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """An object within objects; an empty one where it is missing."""
    value: Any = row
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
