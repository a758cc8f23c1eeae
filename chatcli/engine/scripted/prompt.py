"""The tokens of the scripted engine's prompts, and what it sees of pictures.

A token is a word with the space before it, a punctuation mark, a white space character or a tag. A picture
has 64 tokens; the engine sees its size.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from chatcli.chat.message import Message, Picture, Role
from chatcli.chat.pictures import caption, in_words
from chatcli.engine.base import PromptToken, Unseen
from chatcli.engine.pictures import facts
from chatcli.errors import ChatcliError, DataError

_TAGS = ("<system>", "</system>", "<user>", "</user>", "<assistant>", "</assistant>", "<think>", "</think>")
_WORDS = re.compile(r" ?\w+|\s|[^\w\s]")
_PICTURE_TOKENS = 64


class ScriptedPiece(NamedTuple):
    """A token: a word, a tag, or a part of a picture."""

    text: str  # of a picture's parts, the first has its name and the others are empty
    is_tag: bool = False
    picture: str = ""  # sha256 of the picture that it is a part of

    @property
    def rendered(self) -> str:
        """Its text in the rendered prompt."""
        return caption(Picture(self.picture, self.text)) if self.picture and self.text else self.text

    @property
    def token(self) -> PromptToken:
        """The same as a ``PromptToken``, with a number in the vocabulary."""
        if self.is_tag:
            return PromptToken(_TAGS.index(self.text), self.text, special=True)
        number = zlib.crc32((self.picture or self.text).encode("utf-8", "surrogatepass")) % 2**31
        number = -1 - number if self.picture else len(_TAGS) + number
        return PromptToken(number, self.text, bool(self.picture))


def pieces_of(messages: Sequence[Message]) -> list[ScriptedPiece]:
    """The tokens of a prompt: every message between its tags, and an open tag for the answer."""
    pieces: list[ScriptedPiece] = []
    for message in messages:
        pieces.append(ScriptedPiece(f"<{message.role}>", is_tag=True))
        for picture in message.pictures:
            pieces.append(ScriptedPiece(picture.name, picture=picture.sha256))
            pieces += [ScriptedPiece("", picture=picture.sha256)] * (_PICTURE_TOKENS - 1)
        pieces += [*words_of(message.content), ScriptedPiece(f"</{message.role}>", is_tag=True)]
    if messages and messages[-1].role is Role.ASSISTANT:
        return pieces[:-1]  # it is continued
    return [*pieces, ScriptedPiece("<assistant>", is_tag=True)]


def looked_at(messages: Sequence[Message]) -> tuple[list[Message], Unseen | None]:
    """The messages with the pictures that can be read; the other pictures are named in the text."""
    names, reason = [], ""
    result = []
    for message in messages:
        hidden, shown = [], []
        for picture in message.pictures:
            try:
                _size(picture)
                shown.append(picture)
            except ChatcliError as error:
                hidden.append(picture)
                reason = reason or str(error)
        names += [picture.name for picture in hidden]
        words = in_words(replace(message, pictures=tuple(hidden)))
        result.append(replace(message, content=words, pictures=tuple(shown)))
    return result, Unseen(tuple(names), reason) if names else None


def _size(picture: Picture) -> str:
    """What the engine sees of a picture. Raises ``ChatcliError`` if it cannot be read."""
    if picture.read is None:
        raise DataError("its file is not known")
    _, width, height = facts(picture.read(), picture.name)
    return f"{width} x {height} pixels"


def seen(messages: Sequence[Message], reply: str) -> str:
    """A reply to the user's last message, with a sentence about each of its pictures before it."""
    asked = next((m for m in reversed(messages) if m.role is Role.USER), None)
    if asked is None or not asked.pictures:
        return reply
    sights = [f"I see {picture.name}, {_size(picture)}." for picture in asked.pictures]
    return " ".join([*sights, reply] if asked.content else sights)


def words_of(text: str) -> Iterator[ScriptedPiece]:
    """The tokens of a text."""
    return map(ScriptedPiece, _WORDS.findall(text))
