"""Finds a vocabulary's special pieces in text, and where text must be cut so that none remains whole."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise

from chatcli.engine.answer import common_length

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of a text that is tokenized on its own, by byte offsets."""

    start: int
    end: int
    spelled: bool = False  # one character that is a special piece itself, so it is written byte by byte


class SpecialPieces:
    """A search for all byte sequences that yield a special token; thousands, some inside others."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = frozenset(pieces) - {b""}
        self._longest = max(map(len, self._pieces), default=0)

    def touched_by(self, content: bytes) -> bool:
        """Whether the content holds a special piece, or could form one at its edges or around it."""
        if not content or not self._pieces:
            return False
        if self._smallest.search(content):
            return True
        reach = min(len(content), self._longest - 1)
        return (
            any(content[:n] in self._tails for n in range(1, reach + 1))
            or any(content[-n:] in self._heads for n in range(1, reach + 1))
            or (len(content) < self._longest and content in self._joined)
        )

    def parts(self, text: bytes, regions: Sequence[Span]) -> list[TextPart]:
        """Cut a text so that no part holds a special piece that touches a region.

        Pieces outside the regions belong to the template and stay whole.

        Args:
            text: UTF-8.
            regions: the spans of content; disjoint, in order.
        """
        cuts: set[int] = set()
        spelled: list[Span] = []
        for start, end in regions:
            self._cut(text, start, end, cuts, spelled)
            for edge in (start, end):
                if self._crosses(text, edge):
                    cuts.add(edge)
        return _parts(len(text), cuts, spelled)

    def _cut(self, text: bytes, start: int, end: int, cuts: set[int], spelled: list[Span]) -> None:
        last = -1
        low, high = max(start - self._longest + 1, 0), min(end + self._longest - 1, len(text))
        match = self._smallest.search(text, low, high)
        while match:
            first, after = match.span()
            if first < end and after > start and not first < last < after:
                last = _boundary_inside(text, first, after)
                if last:
                    cuts.add(last)
                else:
                    first, after = _whole_characters(text, first, after)
                    spelled.append((first, after))
                    last = first
            match = self._smallest.search(text, match.start() + 1, high)

    def _crosses(self, text: bytes, edge: int) -> bool:
        low = max(edge - self._longest + 1, 0)
        window = text[low : edge + self._longest - 1]
        return any(m.start() < edge - low < m.end(1) for m in self._any.finditer(window))

    @cached_property
    def _smallest(self) -> re.Pattern[bytes]:
        """Matches pieces that hold no other piece. A text without these holds no piece at all."""
        lengths = sorted({len(piece) for piece in self._pieces})
        small = [
            piece
            for piece in self._pieces
            if not any(
                piece[i : i + n] in self._pieces
                for n in lengths
                if n < len(piece)
                for i in range(len(piece) - n + 1)
            )
        ]
        return re.compile(_pattern(small), re.DOTALL)

    @cached_property
    def _any(self) -> re.Pattern[bytes]:
        """Matches before each byte; group 1 is the longest piece that begins there."""
        return re.compile(b"(?=(" + _pattern(self._pieces) + b"))", re.DOTALL)

    @cached_property
    def _heads(self) -> frozenset[bytes]:
        return frozenset(piece[:n] for piece in self._pieces for n in range(1, len(piece)))

    @cached_property
    def _tails(self) -> frozenset[bytes]:
        return frozenset(piece[n:] for piece in self._pieces for n in range(1, len(piece)))

    @cached_property
    def _joined(self) -> bytes:
        return b"\xff\xfe".join(self._pieces)  # never part of UTF-8 content


def _parts(length: int, cuts: set[int], spelled: Sequence[Span]) -> list[TextPart]:
    starts = {start for start, _ in spelled}  # each is one character
    edges = sorted({0, length, *cuts, *starts, *(end for _, end in spelled)})
    return [TextPart(start, end, start in starts) for start, end in pairwise(edges)]


def _boundary_inside(text: bytes, start: int, end: int) -> int:
    """The last offset strictly between start and end at which a character begins; 0 if there is none."""
    return next((at for at in range(end - 1, start, -1) if text[at] & 0xC0 != 0x80), 0)


def _whole_characters(text: bytes, start: int, end: int) -> Span:
    while start > 0 and text[start] & 0xC0 == 0x80:
        start -= 1
    while end < len(text) and text[end] & 0xC0 == 0x80:
        end += 1
    return start, end


def _pattern(pieces: Collection[bytes]) -> bytes:
    """A regular expression for any of the pieces, the longest first, with common beginnings factored out."""
    if not pieces:
        return b"(?!)"
    first = min(pieces)
    stem = first[: common_length(first, max(pieces))]
    rests = sorted({piece[len(stem) :] for piece in pieces})
    choices = b"|".join(_pattern(list(group)) for byte, group in groupby(rests, lambda r: r[:1]) if byte)
    if not choices:
        return re.escape(stem)
    return re.escape(stem) + b"(?:" + choices + b")" + (b"" if rests[0] else b"?")
