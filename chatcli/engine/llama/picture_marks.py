"""Where a prompt shows pictures: a character that stands for each goes through the template with the words.

The character occurs nowhere else in the conversation and in no special token, so no text can pretend to be a
picture, and it is no white space, so no template trims it. What cannot be shown is named.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from chatcli.chat.message import Message, Picture
from chatcli.chat.pictures import caption
from chatcli.engine.base import Unseen
from chatcli.engine.llama.marks import unused_private
from chatcli.engine.llama.vocabulary import encode
from chatcli.errors import ChatcliError

#: Returns the ids that stand for a picture in a prompt, or raises a ``ChatcliError`` that says why not.
Show = Callable[[Picture], tuple[int, ...]]


class ShownPictures:
    """The pictures of a conversation on their way through a template.

    Args:
        messages: the conversation.
        show: returns the ids of a picture.
        taken: characters that must not be used.

    Attributes:
        messages: the same with pictures put before the words of their messages.
        unseen: pictures that are named only; None: there are none.
    """

    def __init__(self, messages: Sequence[Message], show: Show, taken: str) -> None:
        self.unseen: Unseen | None = None
        self._shown: dict[str, tuple[Picture, tuple[int, ...]]] = {}
        self.messages = list(messages)
        if not any(message.pictures for message in messages):
            return
        texts = [text for m in messages for text in (m.content, m.reasoning or "", *_names(m))]
        self._marks = unused_private(set(taken).union(*(encode(text).decode() for text in texts)))
        self._show = show
        self.messages = [self._written(message) for message in messages]

    def stretches(self, data: bytes) -> Iterator[tuple[bytes, Picture | None, tuple[int, ...]]]:
        """Cut a rendered text at its pictures: what stands before each, the picture, and the ids of it.

        The last stretch has none.
        """
        if not self._shown:
            yield data, None, ()
            return
        *pairs, rest = re.split(b"(" + b"|".join(mark.encode() for mark in self._shown) + b")", data)
        for before, mark in zip(pairs[::2], pairs[1::2], strict=True):
            yield before, *self._shown[mark.decode()]
        yield rest, None, ()

    def captioned(self, text: str) -> str:
        """A rendered text as people read it."""
        return text.translate({ord(mark): caption(picture) for mark, (picture, _) in self._shown.items()})

    def _written(self, message: Message) -> Message:
        before = "".join(map(self._stand_in, message.pictures))
        return replace(message, content=before + message.content) if before else message

    def _stand_in(self, picture: Picture) -> str:
        """A mark for a picture, or a line that names it."""
        try:
            row = self._show(picture)
        except ChatcliError as error:
            names = (*self.unseen.names, picture.name) if self.unseen else (picture.name,)
            self.unseen = Unseen(names, self.unseen.reason if self.unseen else str(error))
            return f"{caption(picture)}\n"
        mark = next(self._marks)
        self._shown[mark] = picture, row
        return mark


def _names(message: Message) -> Iterator[str]:
    return (picture.name for picture in message.pictures)
