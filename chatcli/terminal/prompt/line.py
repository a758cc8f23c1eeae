"""What a typed text means: a message for the model, or a command.

- A text of one line that begins with ``/`` and the name of a command is that command.
- ``//`` at its beginning stands for a ``/`` of a message.
- A message that is nothing but one character and ``/`` and this character are a command (``/👍``) is that
  command.
- A first word with a second slash in it (``/etc/hosts``) is a path, so the text is a message.
- Any other first word with a slash is taken for a misspelt command: nothing is sent.
- A text of several lines is a message whatever it begins with, and so is a block in triple double quotes.
  A command may have such a block as its whole argument.
"""

import re
from collections.abc import Container
from dataclasses import dataclass

#: Begins and ends a text of several lines.
BLOCK = '"""'
# Variation selector and skin tones, which an emoji may be followed by (Unicode Technical Standard 51).
_EMOJI_VARIANTS = "\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_OPENING = re.compile(rf"\s*(/\S+[ \t]+)?{BLOCK}")


@dataclass(frozen=True, slots=True)
class Say:
    """A message for the model."""

    text: str


@dataclass(frozen=True, slots=True)
class Order:
    """A command that is to be obeyed.

    Attributes:
        name: with its slash; one of the known ones, unless nobody knows it.
        argument: the text after it.
    """

    name: str
    argument: str


def parse(typed: str, commands: Container[str]) -> Say | Order | None:
    """What a typed text means; None: nothing.

    Args:
        typed: the text as it was typed.
        commands: names of all commands, with their slashes.
    """
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
    """Whether a block in triple quotes has begun and not ended, so that Enter begins a new line."""
    opening = _OPENING.match(typed)
    return opening is not None and not typed[opening.end() :].rstrip().endswith(BLOCK)
