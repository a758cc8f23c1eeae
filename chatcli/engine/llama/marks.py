"""Marks that travel through a chat template with a message's words, and tell afterwards where they went."""

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from chatcli.engine.llama.special_pieces import Span

# Whitespace that a template trims away together with a content's own, and that hardly anybody writes.
_BLANKS = "\x1f\u205f\u2006\u2005\u2004\u2008\u1680\u2007\u2001\u2002"
_PRIVATE = ((0xE100, 0xF8FF), (0xF0000, 0xFFFFD), (0x100000, 0x10FFFD))


def unused_private(used: Container[str]) -> Iterator[str]:
    """Characters without a meaning that are not among those in use."""
    return (chr(n) for low, high in _PRIVATE for n in range(low, high + 1) if chr(n) not in used)


@dataclass(frozen=True, slots=True)
class Marks:
    """Four characters that occur nowhere in a conversation or its rendering.

    Attributes:
        opening, closing: stand around the words of a content.
        before, after: stand around the whitespace at its edges, and are whitespace themselves; empty if
            the conversation uses all kinds of whitespace.
    """

    opening: str
    closing: str
    before: str
    after: str

    @classmethod
    def unused_in(cls, texts: Iterable[str]) -> Self:
        """Marks that occur in none of these texts."""
        used = set().union(*texts)
        private = unused_private(used)
        blanks = [blank for blank in _BLANKS if blank not in used]
        before, after = blanks[:2] if len(blanks) >= 2 else ("", "")
        return cls(next(private), next(private), before, after)

    def around(self, text: str) -> str:
        """The text with marks around its words, and around the whitespace at its edges.

        A template that trims takes away the outer marks with the whitespace and leaves the inner ones.
        """
        words = text.strip()
        if not words:
            return self.before + text + self.after if text else text
        at = text.index(words)
        head, tail = text[:at], text[at + len(words) :]
        return "".join(
            [
                *(self.before if head else "", head, self.opening),
                words,
                *(self.closing, tail, self.after if tail else ""),
            ]
        )

    def read(self, marked: str) -> tuple[str, list[Span]]:
        """A rendering without its marks, and the byte spans of what stood between them, in order.

        A mark that lost its partner gives an empty span where it stands.
        """
        plain = bytearray()
        spans: list[Span] = []
        outer = inner = -1  # where an unanswered ``before`` and ``opening`` stood
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
