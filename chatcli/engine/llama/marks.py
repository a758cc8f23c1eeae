"""Marks that travel through a chat template, and tell afterwards where contents and pictures went.

Contents have marks around them. A picture has a single character in its place. All marks are characters that
occur nowhere else in the conversation and in no special token, so that no text can pretend to be one. A mark
of a picture is no white space, so that no template trims it.
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from chatcli.chat.message import Message, Picture
from chatcli.chat.pictures import caption
from chatcli.engine.base import Unseen
from chatcli.engine.llama.special_pieces import Span
from chatcli.engine.llama.vocabulary import encode
from chatcli.errors import ChatcliError

#: Returns the ids that stand for a picture in a prompt, or raises a ``ChatcliError`` that says why not.
Show = Callable[[Picture], tuple[int, ...]]
# Whitespace that a template trims together with a content's own, and that is hardly ever written.
_BLANKS = "\x1f\u205f\u2006\u2005\u2004\u2008\u1680\u2007\u2001\u2002"
_PRIVATE = ((0xE100, 0xF8FF), (0xF0000, 0xFFFFD), (0x100000, 0x10FFFD))


def unused_private(used: Container[str]) -> Iterator[str]:
    """Private-use characters that are not in use."""
    return (chr(n) for low, high in _PRIVATE for n in range(low, high + 1) if chr(n) not in used)


@dataclass(frozen=True, slots=True)
class Marks:
    """Four characters that occur nowhere in a conversation or its rendering."""

    opening: str  # before and after the words of a content
    closing: str
    before: str  # before and after the whitespace at its edges; whitespace themselves
    after: str  # both empty if the conversation uses every kind of whitespace

    @classmethod
    def unused_in(cls, texts: Iterable[str]) -> Self:
        """Choose marks that occur in none of these texts."""
        used = set().union(*texts)
        private = unused_private(used)
        blanks = [blank for blank in _BLANKS if blank not in used]
        before, after = blanks[:2] if len(blanks) >= 2 else ("", "")
        return cls(next(private), next(private), before, after)

    def around(self, text: str) -> str:
        """Put marks around the words of a text, and around the whitespace at its edges.

        A template that trims removes the outer marks with the whitespace and keeps the inner ones.
        """
        words = text.strip()
        if not words:
            return self.before + text + self.after if text else text
        head, _, tail = text.partition(words)
        before, after = self.before if head else "", self.after if tail else ""
        return f"{before}{head}{self.opening}{words}{self.closing}{tail}{after}"

    def read(self, marked: str) -> tuple[str, list[Span]]:
        """Take the marks out of a rendering; returns it and the byte spans that stood between them, in order.

        A mark without its partner gives an empty span.
        """
        plain = bytearray()
        spans: list[Span] = []
        outer = inner = -1  # offsets of a ``before`` and an ``opening`` without partner
        for stretch in re.split(f"([{self.opening}{self.closing}{self.before}{self.after}])", marked):
            here = len(plain)
            if stretch == self.opening:
                spans += [(inner, inner)] if inner >= 0 else []
                blank = outer >= 0 and not plain[outer:].strip()
                inner, outer = outer if blank else here, -1
            elif stretch == self.closing:
                spans.append((inner if inner >= 0 else here, here))
                inner = -1
            elif self.before and stretch == self.before:
                outer = here
            elif self.after and stretch == self.after:
                if spans and not plain[spans[-1][1] :].decode("utf-8", "replace").strip():
                    spans[-1] = (spans[-1][0], here)
                elif outer >= 0:
                    spans.append((outer, here))
                outer = -1
            else:
                plain += stretch.encode()
        return plain.decode(), spans + ([(inner, inner)] if inner >= 0 else [])


class ShownPictures:
    """The pictures of a conversation on their way through a template.

    Args:
        taken: characters that must not be used as marks.

    Attributes:
        messages: the same messages with the marks of pictures before their words.
        unseen: the pictures of which the model reads only the names, or None.
    """

    def __init__(self, messages: Sequence[Message], show: Show, taken: str) -> None:
        self.unseen: Unseen | None = None
        self._shown: dict[str, tuple[Picture, tuple[int, ...]]] = {}
        self.messages = list(messages)
        if not any(message.pictures for message in messages):
            return
        names = [picture.name for message in messages for picture in message.pictures]
        texts = [*names, *(text for m in messages for text in (m.content, m.reasoning or ""))]
        self._marks = unused_private(set(taken).union(*(encode(text).decode() for text in texts)))
        self._show = show
        self.messages = [self._written(message) for message in messages]

    def stretches(self, data: bytes) -> Iterator[tuple[bytes, Picture | None, tuple[int, ...]]]:
        """Cut a rendered text at its pictures: text, the picture behind it or None, its ids."""
        if not self._shown:
            yield data, None, ()
            return
        *pairs, rest = re.split(b"(" + b"|".join(mark.encode() for mark in self._shown) + b")", data)
        for before, mark in zip(pairs[::2], pairs[1::2], strict=True):
            yield before, *self._shown[mark.decode()]
        yield rest, None, ()

    def captioned(self, text: str) -> str:
        """A rendered text with the names of pictures in place of their marks."""
        return text.translate({ord(mark): caption(picture) for mark, (picture, _) in self._shown.items()})

    def _written(self, message: Message) -> Message:
        before = "".join(map(self._stand_in, message.pictures))
        return replace(message, content=before + message.content) if before else message

    def _stand_in(self, picture: Picture) -> str:
        """The mark of a picture, or a line with its name if it cannot be shown."""
        try:
            row = self._show(picture)
        except ChatcliError as error:
            names = (*self.unseen.names, picture.name) if self.unseen else (picture.name,)
            self.unseen = Unseen(names, self.unseen.reason if self.unseen else str(error))
            return f"{caption(picture)}\n"
        mark = next(self._marks)
        self._shown[mark] = picture, row
        return mark
