"""What a typed text means: a message for the model, a command, or pictures to attach.

- A line that begins with ``/`` and the name of a command is that command.
- ``//`` at the beginning stands for the ``/`` of a message.
- A message of one character is a command if ``/`` and the character are one (``/👍``).
- A first word with a second slash in it (``/etc/hosts``) is a path, so the text is a message.
- Any other first word with a slash counts as a misspelt command; nothing is sent.
- A text of several lines is a message whatever it begins with, and so is a block in triple double quotes. A
  command may have such a block as its whole argument.
- A line with only paths of pictures attaches them.
"""

import os
import re
import shlex
import urllib.parse
from collections.abc import Container
from dataclasses import dataclass

from chatcli.session.attachments import is_picture_name

#: Begins and ends a text of several lines.
BLOCK = '"""'
# Variation selector and skin tones, which may follow an emoji (Unicode Technical Standard 51).
_EMOJI_VARIANTS = "\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_FILE_ADDRESS = "file://"
_MOST_CHARACTERS = 1 << 16  # of a line that may be paths; no path is longer
_OPENING = re.compile(rf"\s*(/\S+[ \t]+)?{BLOCK}")


@dataclass(frozen=True, slots=True)
class Say:
    """A message for the model."""

    text: str


@dataclass(frozen=True, slots=True)
class Order:
    """A command."""

    name: str
    argument: str


def parse(typed: str, commands: Container[str]) -> Say | Order | None:
    """What a typed text means; None if it is empty."""
    text = typed.strip()
    if not text:
        return None
    if opening := _OPENING.match(typed):
        inside = typed[opening.end() :].rstrip().removesuffix(BLOCK).strip("\n")
        name = (opening[1] or "").strip()
        if not name:
            return Say(inside) if inside.strip() else None
        if name in commands:
            return Order(name, inside)
    gesture = "/" + text.rstrip(_EMOJI_VARIANTS)
    if len(gesture) == 2 and not gesture[1:].isascii() and gesture in commands:
        return Order(gesture, "")
    if not text.startswith("/") or "\n" in text:
        return Say(typed)
    if text.startswith("//"):
        return Say(text[1:])
    name, *rest = text.split(maxsplit=1)
    if "/" in name[1:] and name not in commands:
        return Say(typed)
    return Order(name, rest[0] if rest else "")


def in_open_block(typed: str) -> bool:
    """Whether a block in triple quotes is open, so that Enter begins a new line."""
    opening = _OPENING.match(typed)
    return opening is not None and not typed[opening.end() :].rstrip().endswith(BLOCK)


def dropped_pictures(typed: str) -> list[str]:
    """The paths, if a text consists of paths of existing files that are named like pictures; else none.

    A terminal types the paths of dropped files as they are, in quotes, with escaped blanks, or as ``file://``
    addresses, with blanks between them.
    """
    text = typed.strip()
    if "\n" in text or len(text) > _MOST_CHARACTERS or not is_picture_name(text.rstrip("'\"")):
        return []
    try:
        words = shlex.split(text)
    except ValueError:  # a quote that is part of a name
        words = []
    for paths in ([text], list(map(_path, words))):
        if paths and all(is_picture_name(path) and _is_file(path) for path in paths):
            return paths
    return []


def _path(word: str) -> str:
    return urllib.parse.unquote(word.removeprefix(_FILE_ADDRESS)) if word.startswith(_FILE_ADDRESS) else word


def _is_file(path: str) -> bool:
    return os.path.isfile(os.path.expanduser(path))  # noqa: PTH111, PTH113  (Path's raise for strange names)
