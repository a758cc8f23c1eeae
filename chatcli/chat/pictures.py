"""Pictures of a message as text and as attributes of its element (``picture.1="SHA256 NAME"``, ...).

The bytes are stored beside the transcript. Attributes, unlike a separate element, cannot be torn from the
text they belong to.
"""

import re
from collections.abc import Iterable, MutableMapping
from typing import Any

from chatcli.chat.message import Picture

#: Largest picture file that is read, in bytes.
MOST_BYTES = 64 * 2**20
_KEY = "picture."
_VALUE = re.compile(r"([0-9a-f]{64}) (.*)", re.DOTALL)


def caption(picture: Any) -> str:
    """The text shown in place of a picture, of a message or of a record."""
    return f"[picture: {picture.name}]"


def in_words(message: Any) -> str:
    """A message, of a conversation or of a record, as text: one line for each picture, then its content."""
    return "\n".join([*map(caption, message.pictures), *filter(None, [message.content])])


def attributes(pictures: Iterable[Picture]) -> dict[str, str]:
    """The attributes that keep a message's pictures."""
    return {f"{_KEY}{n}": f"{p.sha256} {p.name}" for n, p in enumerate(pictures, start=1)}


def taken_from(values: MutableMapping[str, str]) -> tuple[Picture, ...]:
    """Remove the picture attributes from ``values`` and return the pictures they name.

    Numbers run from 1 without a gap; attributes of another form stay.
    """
    found: list[Picture] = []
    while match := _VALUE.fullmatch(values.get(f"{_KEY}{len(found) + 1}", "")):
        del values[f"{_KEY}{len(found) + 1}"]
        found.append(Picture(match[1], match[2]))
    return tuple(found)
