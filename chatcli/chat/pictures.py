"""The pictures of a message: in words, and as attributes of its element (``picture.1="SHA256 NAME"``, ...).

The bytes lie beside the transcript, where ``storage.pictures`` puts them. An attribute cannot be torn from
the words it belongs to, which another element could be.
"""

import re
from collections.abc import Iterable, MutableMapping, Sequence
from typing import Protocol

from chatcli.chat.message import Picture

#: The most that is read of a picture's file.
MOST_BYTES = 64 * 2**20
_KEY = "picture."
_VALUE = re.compile(r"([0-9a-f]{64}) (.*)", re.DOTALL)


class Named(Protocol):
    """A picture, here or in a record."""

    @property
    def name(self) -> str:
        """Of its file."""
        ...


class WithPictures(Protocol):
    """A message, here or in a record."""

    @property
    def content(self) -> str:
        """The words."""
        ...

    @property
    def pictures(self) -> Sequence[Named]:
        """What they are about."""
        ...


def caption(picture: Named) -> str:
    """What stands for a picture where only words can stand."""
    return f"[picture: {picture.name}]"


def in_words(message: WithPictures) -> str:
    """A message where only words can stand: a line for each picture, then what was said."""
    return "\n".join([*map(caption, message.pictures), *filter(None, [message.content])])


def attributes(pictures: Iterable[Picture]) -> dict[str, str]:
    """The attributes of a message's element."""
    return {f"{_KEY}{n}": f"{p.sha256} {p.name}" for n, p in enumerate(pictures, start=1)}


def taken_from(values: MutableMapping[str, str]) -> tuple[Picture, ...]:
    """The pictures that a message's attributes name; theirs are taken out of ``values``.

    Numbers begin at 1 and leave none out; what is not of the form stays where it is.
    """
    found: list[Picture] = []
    while match := _VALUE.fullmatch(values.get(f"{_KEY}{len(found) + 1}", "")):
        del values[f"{_KEY}{len(found) + 1}"]
        found.append(Picture(match[1], match[2]))
    return tuple(found)
