"""What the scripted engine reads: the tokens of a prompt, and what it sees of pictures.

A token is a word with the space before it, a punctuation mark, a white space or one of the tags. A picture is
64 tokens, and what is seen of it is its size.
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


class Piece(NamedTuple):
    """A token.

    Attributes:
        text: what it says; of a picture's parts the first has its name, the others nothing.
        is_tag: it is one of ``_TAGS``.
        picture: hash of the picture that it is a part of; empty: of none.
    """

    text: str
    is_tag: bool = False
    picture: str = ""

    @property
    def rendered(self) -> str:
        """How it stands in the rendered prompt."""
        return caption(Picture(self.picture, self.text)) if self.picture and self.text else self.text

    @property
    def token(self) -> PromptToken:
        """It, with its number in the vocabulary."""
        return PromptToken(self._number, self.text, self.is_tag or bool(self.picture))

    @property
    def _number(self) -> int:
        if self.is_tag:
            return _TAGS.index(self.text)
        number = zlib.crc32((self.picture or self.text).encode("utf-8", "surrogatepass")) % 2**31
        return -1 - number if self.picture else len(_TAGS) + number


def pieces_of(messages: Sequence[Message]) -> list[Piece]:
    """The prompt: every message between its tags, and an open tag for the answer."""
    pieces: list[Piece] = []
    for message in messages:
        pieces.append(Piece(f"<{message.role}>", is_tag=True))
        for picture in message.pictures:
            pieces.append(Piece(picture.name, picture=picture.sha256))
            pieces += [Piece("", picture=picture.sha256)] * (_PICTURE_TOKENS - 1)
        pieces += [*words_of(message.content), Piece(f"</{message.role}>", is_tag=True)]
    if messages and messages[-1].role is Role.ASSISTANT:
        return pieces[:-1]  # goes on
    return [*pieces, Piece("<assistant>", is_tag=True)]


def looked_at(messages: Sequence[Message]) -> tuple[list[Message], Unseen | None]:
    """The messages with the pictures that could be looked at; the others are named in the words."""
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
    """What is seen of a picture.

    Raises:
        ChatcliError: nothing.
    """
    if picture.read is None:
        raise DataError("nobody knows where it is")
    _, width, height = facts(picture.read(), picture.name)
    return f"{width} x {height} pixels"


def seen(messages: Sequence[Message], reply: str) -> str:
    """A reply to the last message of the user's, after what is said of its pictures."""
    asked = next((m for m in reversed(messages) if m.role is Role.USER), None)
    if asked is None or not asked.pictures:
        return reply
    sights = [f"I see {picture.name}, {_size(picture)}." for picture in asked.pictures]
    return " ".join([*sights, reply] if asked.content else sights)


def words_of(text: str) -> Iterator[Piece]:
    """The tokens of a text."""
    return map(Piece, _WORDS.findall(text))
