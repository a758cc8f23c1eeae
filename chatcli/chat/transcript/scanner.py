"""Splits a transcript into elements, with one element in memory at a time.

``transcript_reader`` interprets the elements. Only the assistant's name matters here, because it decides
which lines begin an element. Every step consumes what it looked at, so hostile input costs linear time.
"""

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from chatcli.chat.transcript import markup
from chatcli.errors import TranscriptError

_SPACE = re.compile(r"[\s\ufeff]*")
_NUMBER = re.compile(r"[1-9][0-9]{0,15}")
# UTF-16 byte order marks as `_decoded` returns them, and the surrogates that stand for no byte.
_UTF_16_MARKS = tuple(
    mark.decode("utf-8", "surrogateescape") for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
)
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
# No close tag and no relevant beginning of a line is longer.
_MARK_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Element:
    """One whole element.

    Attributes:
        line, column: where it begins, from 1, in characters.
        attributes: unescaped.
        content: unescaped; None for a void element (``<name/>``).
    """

    line: int
    column: int
    name: str
    attributes: Mapping[str, str]
    content: str | None


@dataclass(frozen=True, slots=True)
class Damage:
    """A place that is not in the format; ``problem`` also says what was expected."""

    line: int
    column: int
    problem: str

    def error(self, source: str = "transcript") -> TranscriptError:
        """The damage as an exception."""
        return TranscriptError(self.line, self.column, self.problem, source)


@dataclass(frozen=True, slots=True)
class Torn(Damage):
    """An element that was cut by the end of the file, or by the next element after a crash.

    Attributes:
        name: of its tag; empty if the tag itself was cut.
        text: its content as far as it goes; None if it was cut before its content.
        at_end: whether the file ends with it.
    """

    name: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    at_end: bool = False


def number(text: str | None) -> int | None:
    """A message id, or None if the text is none."""
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None


class Scanner:
    """Iterates over the elements and tears of one transcript, and with ``repair`` its damage.

    Args:
        chunks: the file in pieces of any size, UTF-8 bytes or text.
        repair: yield damage and go on, instead of raising ``TranscriptError``.

    Attributes:
        assistant: the assistant's name once the file has told it; the reader of the elements may set it.
    """

    def __init__(self, chunks: Iterable[bytes | str], *, repair: bool = False) -> None:
        self.assistant: str | None = None
        self._repair = repair
        self._chunks = _decoded(chunks)
        self._buffer = ""
        self._at = 0
        self._ended = False
        self._line, self._column = 1, 1

    def __iter__(self) -> Iterator[Element | Torn | Damage]:
        while len(self._buffer) < 2 and self._more():
            continue
        if self._buffer.startswith(_UTF_16_MARKS):
            yield self._bad("the file is UTF-16; save it as UTF-8")
            self._chunks = _decoded_again(chain([self._buffer], self._chunks))
            self._buffer, self._ended = "", False
            self._more()
        if self._buffer.startswith("\ufeff"):
            self._at = 1
        while self._skip_space():
            if self._buffer.startswith("</", self._at):
                yield self._bad(f"a close tag, but nothing is open; expected {self._expected()}")
                self._advance(self._at + 2)
                self._resume()
            elif self._buffer[self._at] != "<":
                yield from self._stray_text()
            else:
                yield from self._element()

    # -- the buffer -------------------------------------------------------------------------------------

    def _more(self) -> bool:
        """Read at least as much again as is unread, so that long elements are rarely copied.

        Returns False at the end of the file. Otherwise the unread text now begins at 0.
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

    def _place(self, at: int) -> tuple[int, int]:
        """Line and column of an unread place."""
        newlines = self._buffer.count("\n", self._at, at)
        if newlines:
            return self._line + newlines, at - self._buffer.rfind("\n", self._at, at)
        return self._line, self._column + at - self._at

    def _advance(self, to: int) -> None:
        self._line, self._column = self._place(to)
        self._at = to

    def _skip_space(self) -> bool:
        """Skip white space; returns False at the end."""
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

    def _bad(self, problem: str, at: int | None = None) -> Damage:
        """The damage at a place in the buffer (by default here); raises it unless repairing."""
        line, column = self._place(self._at if at is None else at)
        damage = Damage(line, column, problem)
        if not self._repair:
            raise damage.error()
        return damage

    def _stray_text(self) -> Iterator[Torn | Damage]:
        line, column = self._line, self._column
        sample = self._buffer[self._at : self._at + 20].partition("<")[0]
        hole = True
        while True:
            end = self._buffer.find("<", self._at)
            stop = len(self._buffer) if end < 0 else end
            hole = hole and not self._buffer[self._at : stop].strip("\0 \t\r\n")
            if not hole and not self._repair:
                break
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
        self._resume()

    def _resume(self) -> None:
        """After damage, skip to what looks most like the next element."""
        tag = markup.plausible_tag(self.assistant)
        while True:
            found = tag.search(self._buffer, self._at)
            if found:
                self._advance(found.start())
                return
            self._advance(max(self._at, len(self._buffer) - _MARK_LENGTH))
            if not self._more():
                self._advance(len(self._buffer))
                return

    # -- elements ---------------------------------------------------------------------------------------

    def _element(self) -> Iterator[Element | Torn | Damage]:
        while True:
            tag = markup.TAG.match(self._buffer, self._at)
            if tag:
                reach = tag.end()
                break
            begun = markup.TAG_START.match(self._buffer, self._at)
            reach = begun.end() if begun else self._at + 1
            if reach + _MARK_LENGTH <= len(self._buffer) or not self._more():
                break
        # A quote left open by a tear reaches into the next element, so look for that element first.
        cut = markup.landmark(self.assistant).search(
            self._buffer, self._at, reach if tag else reach + _MARK_LENGTH
        )
        ends = [cut.start() if cut else len(self._buffer)]
        if self._buffer[reach - 1 : reach + 1] == "\n<":
            ends.append(reach - 1)  # the next element is torn too, and shorter than a landmark
        if tag and not cut:
            yield from self._whole_tag(tag)
        elif end := next((end for end in ends if markup.TAG_START.fullmatch(self._buffer, self._at, end)), 0):
            at_end = end == len(self._buffer)
            yield Torn(self._line, self._column, "a tag was cut; expected >", at_end=at_end)
            self._advance(end)
        else:
            sample = self._buffer[self._at : reach + 10][:40]
            yield self._bad(f'not a tag: {sample!r}; expected <name> or <name key="value">', reach)
            self._advance(max(reach, self._at + 1))
            self._resume()

    def _whole_tag(self, tag: re.Match[str]) -> Iterator[Element | Torn | Damage]:
        name, values = tag["name"], tag["attributes"]
        if not values.isascii() and (wrong := markup.SURROGATE.search(values)):
            yield self._bad("bytes that are not UTF-8", tag.start("attributes") + wrong.start())
            values = markup.SURROGATE.sub("\ufffd", values)
        if tag["void"]:
            yield Element(self._line, self._column, name, markup.parse_attributes(values), None)
            self._advance(tag.end())
        else:
            yield from self._content(name, markup.parse_attributes(values), tag.end() - tag.start())

    def _content(self, name: str, values: Mapping[str, str], begin: int) -> Iterator[Element | Torn | Damage]:
        """Read the rest of an element whose tag has the length ``begin``."""
        if self.assistant is None and name not in {"user", "system"}:
            self.assistant = name
        numbered = number(values.get("id")) is not None
        end = self._find_end(name, begin, numbered)
        closed = self._buffer.startswith("</", end)
        if not closed and (next_tag := self._missed(begin, end, numbered)) is not None:
            yield self._bad(f"<{name}> is not closed; expected </{name}> before this", next_tag.end())
            end = next_tag.start()
        raw = self._buffer[self._at + begin : end]
        wrong = None if raw.isascii() else markup.SURROGATE.search(raw)
        if wrong:
            if closed:
                yield self._bad("bytes that are not UTF-8", self._at + begin + wrong.start())
            raw = markup.SURROGATE.sub("\ufffd", raw)
        text = markup.unescape(raw, name, self.assistant, numbered=numbered)
        if closed:
            yield Element(self._line, self._column, name, values, text)
            self._advance(end + len(name) + 3)
        else:
            problem = f"<{name}> was cut; expected </{name}>"
            at_end = end == len(self._buffer)
            yield Torn(self._line, self._column, problem, name, values, text, at_end)
            self._advance(end)

    def _missed(self, begin: int, end: int, numbered: bool) -> re.Match[str] | None:
        """The tag that shows that a close tag is missing; None if a tear explains it."""
        tag = markup.next_line_tag(self.assistant, guess=self._repair)
        if not numbered:  # such an element may have swallowed messages up to the end of the file
            return tag.search(self._buffer, self._at + begin)
        if markup.landmark(self.assistant).match(self._buffer, end):
            return None
        return tag.match(self._buffer, end)

    def _find_end(self, name: str, begin: int, numbered: bool) -> int:
        """Where content ends: at its close tag, at a line that cannot be part of it, or at the file's end."""
        mark = markup.content_end(name, self.assistant if numbered else None, numbered)
        seen = begin
        while True:
            found = mark.search(self._buffer, self._at + seen)
            if found:
                return found.start()
            seen = max(begin, len(self._buffer) - self._at - _MARK_LENGTH)
            if not self._more():
                return len(self._buffer)


def _decoded(chunks: Iterable[bytes | str]) -> Iterator[str]:
    """Decode UTF-8; other bytes become lone surrogates, which a transcript never contains."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for chunk in chunks:
        text = chunk if isinstance(chunk, str) else decoder.decode(chunk)
        if text:
            yield text
    tail = decoder.decode(b"", final=True)
    if tail:
        yield tail


def _decoded_again(texts: Iterable[str]) -> Iterator[str]:
    """Decode as UTF-16 what ``_decoded`` read as UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    for text in texts:
        data = _NO_BYTE.sub("\ufffd", text).encode("utf-8", "surrogateescape")
        if again := decoder.decode(data):
            yield again
