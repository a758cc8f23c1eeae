"""A stream of bytes or text into a transcript's elements, with one element in memory at a time.

What the elements mean is ``transcript``'s affair; only the assistant's name has to be known here, because
it decides which lines begin an element. Every step consumes what it looked at, so that hostile input
costs no more than linear time.
"""

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from chatcli.chat import markup
from chatcli.errors import TranscriptError

_SPACE = re.compile(r"[\s\ufeff]*")
_NUMBER = re.compile(r"[1-9][0-9]{0,15}")
# The longest beginning of a line that `markup.landmark` may need to see, newline included.
_LANDMARK_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Element:
    """One whole element.

    Attributes:
        name: of its tag.
        attributes: unescaped.
        content: unescaped; None: the element is void (``<name/>``).
        line, column: where it begins, 1-based, in characters.
    """

    name: str
    attributes: Mapping[str, str]
    content: str | None
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not in the format, at a place; what was expected is part of ``problem``."""

    line: int
    column: int
    problem: str

    def error(self, source: str = "transcript") -> TranscriptError:
        """The same as an exception."""
        return TranscriptError(self.line, self.column, self.problem, source)


@dataclass(frozen=True, slots=True)
class Torn(Damage):
    """An element that was cut: by the end of the file, or by the next element after a crash.

    Attributes:
        name: of its tag; empty when even that is cut.
        attributes: as far as they came.
        text: its content as far as it came; None: it was cut before its content began.
        at_end: the file ends with it.
    """

    name: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    at_end: bool = False


def number(text: str | None) -> int | None:
    """A message id, if this is one."""
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None


class Scanner:
    """Iterate over it to get the elements, tears and, with ``repair``, the damage of one transcript.

    Args:
        chunks: the file in pieces of any size, UTF-8 bytes or text.
        repair: yield damage and go on after it, instead of raising ``TranscriptError``.

    Attributes:
        assistant: its name, as soon as the file has told it; a reader of the elements may set it.
    """

    def __init__(self, chunks: Iterable[bytes | str], *, repair: bool = False) -> None:
        self.assistant: str | None = None
        self._repair = repair
        self._chunks = _decoded(chunks)
        self._buffer = ""
        self._at = 0
        self._ended = False
        self._line, self._column = 1, 1
        self._never_closed: set[str] = set()

    def __iter__(self) -> Iterator[Element | Torn | Damage]:
        self._more()
        if self._buffer.startswith("\ufeff"):
            self._at = 1
        while self._skip_space():
            if self._buffer.startswith("</", self._at):
                yield self._bad(f"a close tag, but nothing is open; expected {self._expected()}")
                self._advance(self._at + 2)
            elif self._buffer[self._at] != "<":
                yield from self._stray_text()
            else:
                yield from self._element()

    # -- the buffer -------------------------------------------------------------------------------------

    def _more(self) -> bool:
        """Read at least as much again as is still unread, so that long elements are not copied often.

        False: the file has ended, and the buffer is what it was. Otherwise what is unread begins at 0.
        """
        unread = len(self._buffer) - self._at
        pieces, size = [self._buffer[self._at :]], 0
        while size <= unread and not self._ended:
            piece = next(self._chunks, None)
            if piece is None:
                self._ended = True
            else:
                pieces.append(piece)
                size += len(piece)
        if size:
            self._buffer, self._at = "".join(pieces), 0
        return size > 0

    def _advance(self, to: int) -> None:
        newlines = self._buffer.count("\n", self._at, to)
        if newlines:
            self._line += newlines
            self._column = to - self._buffer.rfind("\n", self._at, to)
        else:
            self._column += to - self._at
        self._at = to

    def _skip_space(self) -> bool:
        """Go to the next thing that is not white space; False at the end."""
        while True:
            found = _SPACE.match(self._buffer, self._at)
            self._advance(found.end() if found else self._at)
            if self._at + 1 < len(self._buffer) or (self._ended and self._at < len(self._buffer)):
                return True
            if self._ended or not (self._more() or self._at < len(self._buffer)):
                return False

    # -- what can stand between elements ----------------------------------------------------------------

    def _expected(self) -> str:
        return f"<user>, <system> or <{self.assistant or 'the name of the assistant'}>"

    def _bad(self, problem: str) -> Damage:
        damage = Damage(self._line, self._column, problem)
        if not self._repair:
            raise damage.error()
        return damage

    def _stray_text(self) -> Iterator[Torn | Damage]:
        line, column = self._line, self._column
        hole = True
        sample = self._buffer[self._at : self._at + 20]
        while True:
            end = self._buffer.find("<", self._at)
            stop = len(self._buffer) if end < 0 else end
            hole = hole and not self._buffer[self._at : stop].strip("\0 \t\r\n")
            self._advance(stop)
            if end >= 0 or not self._more():
                break
        if hole:  # some file systems leave zeros where a write was lost
            yield Torn(line, column, "a hole of zero bytes", at_end=self._at >= len(self._buffer))
            return
        damage = Damage(line, column, f"text outside any element: {sample!r}; expected {self._expected()}")
        if not self._repair:
            raise damage.error()
        yield damage
        yield from self._resume(self._at)

    def _resume(self, start: int) -> Iterator[Torn | Damage]:
        """After damage: go to the next tag of a message, or the next landmark."""
        yield from ()
        self._advance(start)
        name = re.escape(self.assistant) if self.assistant else r"[^\W\d][\w.:-]*"
        plausible = re.compile(rf"<(?:user|system|{name}|session|model|head|title)[\s>]")
        while True:
            found = plausible.search(self._buffer, self._at)
            if found:
                self._advance(found.start())
                return
            self._advance(max(self._at, len(self._buffer) - (0 if self._ended else 80)))
            if self._ended or not self._more():
                self._advance(len(self._buffer))
                return

    # -- elements ---------------------------------------------------------------------------------------

    def _element(self) -> Iterator[Element | Torn | Damage]:
        landmark = markup.landmark(self.assistant)
        while True:
            buffer, start = self._buffer, self._at
            tag = markup.TAG.match(buffer, start)
            if tag:
                reach = tag.end()
                break
            partial = markup.TAG_START.match(buffer, start)
            reach = partial.end() if partial else start + 1
            if reach + _LANDMARK_LENGTH <= len(buffer) or not self._more():
                break
        cut = landmark.search(buffer, start, min(len(buffer), reach + _LANDMARK_LENGTH) if not tag else reach)
        if cut or not tag:
            yield from self._broken_tag(cut.start() if cut else len(buffer), reach, at_end=cut is None)
            return
        values = markup.parse_attributes(tag["attributes"])
        name = tag["name"]
        if markup.SURROGATE.search(tag[0]):
            yield self._bad("bytes that are not UTF-8 in a tag")
        if tag["void"]:
            yield Element(name, values, None, self._line, self._column)
            self._advance(reach)
        else:
            yield from self._content(name, values, reach - start)

    def _broken_tag(self, end: int, reach: int, at_end: bool) -> Iterator[Torn | Damage]:
        buffer, start = self._buffer, self._at
        if markup.TAG_START.fullmatch(buffer, start, end):
            name = re.match(r"<([^\s<>/]*)", buffer[start : start + 80])
            yield Torn(
                self._line, self._column, "a tag was cut; expected >", name[1] if name else "", at_end=at_end
            )
            self._advance(end)
            return
        sample = buffer[start : start + 20]
        yield self._bad(f'not a tag: {sample!r}; expected <name> or <name key="value">')
        yield from self._resume(max(reach, start + 1))

    def _content(self, name: str, values: Mapping[str, str], begin: int) -> Iterator[Element | Torn | Damage]:
        """The rest of an element; ``begin`` is the length of its tag."""
        if self.assistant is None and name not in {"user", "system"}:
            self.assistant = name
        numbered = number(values.get("id")) is not None
        close = f"</{name}>"
        landmark = markup.landmark(self.assistant)
        seen = begin
        while True:
            buffer, start = self._buffer, self._at
            end = -1 if name in self._never_closed else buffer.find(close, start + seen)
            stop = len(buffer) if end < 0 else end
            cut = landmark.search(buffer, start + seen, stop) if numbered else None
            if cut or end >= 0:
                break
            seen = max(begin, len(buffer) - start - _LANDMARK_LENGTH)
            if not self._more():
                break
        stop = cut.start() if cut else stop
        raw = self._buffer[self._at + begin : stop]
        text = markup.unescape(raw, name, self.assistant, numbered=numbered)
        if cut or end < 0:
            if end < 0 and not cut:
                self._never_closed.add(name)
            yield Torn(
                self._line,
                self._column,
                f"<{name}> was cut; expected {close}",
                name,
                values,
                text,
                at_end=cut is None,
            )
            self._advance(stop)
            return
        if not raw.isascii() and (wrong := markup.SURROGATE.search(raw)):
            yield self._not_utf8(begin + wrong.start())
            text = markup.SURROGATE.sub("\ufffd", raw)
            text = markup.unescape(text, name, self.assistant, numbered=numbered)
        yield Element(name, values, text, self._line, self._column)
        self._advance(stop + len(close))

    def _not_utf8(self, offset: int) -> Damage:
        at, line, column = self._at, self._line, self._column
        self._advance(at + offset)
        place = self._line, self._column
        self._at, self._line, self._column = at, line, column
        damage = Damage(*place, "bytes that are not UTF-8")
        if not self._repair:
            raise damage.error()
        return damage


def _decoded(chunks: Iterable[bytes | str]) -> Iterator[str]:
    """Text; bytes that are not UTF-8 become lone surrogates, which a transcript never holds as they are."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for chunk in chunks:
        text = chunk if isinstance(chunk, str) else decoder.decode(chunk)
        if text:
            yield text
    tail = decoder.decode(b"", final=True)
    if tail:
        yield tail
