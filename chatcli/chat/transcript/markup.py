"""Tags, attributes and escaping of a transcript's elements, written and read.

The format is specified in docs/transcript-format.md. Attribute values are escaped as in XML. Content stays
as it is, except for the few strings that a reader would misread: their first character becomes an entity.
Where content already looks like that entity, its ``&`` becomes ``&amp;`` (the idea of mbox's ``>From``
quoting), so that reading undoes writing exactly.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from chatcli.errors import UsageError

# Lone surrogates are text to Python, and are not text to UTF-8.
SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = "\x00-\x1f\x7f\ud800-\udfff"
_NAME = rf"[^\s<>/=\"'&!?{_CONTROL}][^\s<>/=\"'&{_CONTROL}]{{0,63}}"
_KEY = rf"[^\s<>/=\"'&{_CONTROL}]+"
_ATTRIBUTE = rf"(?>\s+{_KEY}\s*=\s*(?:\"[^\"]*\"|'[^']*'))"
_NAMES, _KEYS = re.compile(_NAME), re.compile(_KEY)
_ATTRIBUTES = re.compile(rf"\s+({_KEY})\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")

TAG = re.compile(rf"<(?P<name>{_NAME})(?P<attributes>{_ATTRIBUTE}*+)\s*+(?P<void>/?)>")
# What a tag may look like when it was cut anywhere, in the middle of a character too.
_CUT = "[\ud800-\udfff]{0,3}"
TAG_START = re.compile(
    rf"<(?:(?:{_NAME})?{_CUT}{_ATTRIBUTE}*+"
    rf"(?:\s*+/\n?|\s+(?:{_KEY}{_CUT}\s*(?:=\s*(?:\"[^\"]*|'[^']*)?)?|{_CUT}))?)"
)

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_CHARACTERS = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_REFERENCE = "#xD[89A-F][0-9A-F]{2};"
_IN_VALUE = re.compile('[&<>"\ud800-\udfff]')
_VALUE_ENTITY = re.compile(rf"&(?:(amp|lt|gt|quot|apos);|{_REFERENCE})")

# The beginnings of lines on which the writer starts an element. `escape` keeps them out of content, so that
# a reader finds the next element after a torn one.
_LANDMARKS = '(?:(?:user|system|session|head{}) id="|model name="|title text=")'


def check_name(name: str) -> str:
    """Return the assistant's name if it can be a tag; raises UsageError if not."""
    if name in {"user", "system"} or not _NAMES.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the assistant's name: 1 to 64 characters without spaces and < > / = & \" ', "
            f"and neither user nor system"
        )
    return name


@lru_cache(maxsize=32)
def _landmarks(assistant: str | None) -> str:
    return _LANDMARKS.format("|" + re.escape(assistant) if assistant else "")


@lru_cache(maxsize=32)
def landmark(assistant: str | None) -> re.Pattern[str]:
    """Matches the newline and the beginning of a line that starts one of our elements.

    Args:
        assistant: the assistant's name, or None while unknown.
    """
    return re.compile(f"\n<{_landmarks(assistant)}")


@lru_cache(maxsize=32)
def _lines(tag: str, assistant: str | None, numbered: bool) -> str:
    """Matches, after ``<``, the beginnings of lines that an element's content never has."""
    again = re.escape(tag)
    # Two tears in a row can leave "<user " in a numbered element; only a whole tag is damage there.
    return f"(?:{again}>|{_landmarks(assistant)})" if numbered else rf"{again}[\s>]"


@lru_cache(maxsize=32)
def content_end(tag: str, assistant: str | None, numbered: bool) -> re.Pattern[str]:
    """Matches the end of an element's content: its close tag, or a line that shows that it is missing."""
    return re.compile(f"</{re.escape(tag)}>|\n<{_lines(tag, assistant, numbered)}")


@lru_cache(maxsize=32)
def plausible_tag(assistant: str | None) -> re.Pattern[str]:
    """Matches what looks like an element; used after damage."""
    name = re.escape(assistant) if assistant else r"[^\W\d][\w.:-]{0,63}"
    return re.compile(rf"<(?:user|system|{name}|session|model|head|title)[\s>]")


@lru_cache(maxsize=32)
def next_line_tag(assistant: str | None, guess: bool) -> re.Pattern[str]:
    """Matches what stands before a message's tag at the beginning of a line.

    Args:
        assistant: the assistant's name, or None while unknown.
        guess: while unknown, accept any name.
    """
    unknown = r"|[^\W\d][\w.:-]{0,63}" if guess else ""
    name = "|" + re.escape(assistant) if assistant else unknown
    return re.compile(rf"\n[ \t]*(?=<(?:user|system{name})[\s>])")


@lru_cache(maxsize=32)
def _special(tag: str, assistant: str | None, numbered: bool) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns of what to escape in an element's content, and what to unescape."""
    close, line = f"/{re.escape(tag)}>", _lines(tag, assistant, numbered)
    quoted = f"(?=(?:amp;)*(?:lt;{close}|{_REFERENCE}))"
    quoted_line = f"(?=(?:amp;)*lt;{line})"
    raw = f"<(?={close})|(?<=\n)<(?={line})|&{quoted}|(?<=\n)&{quoted_line}|[\ud800-\udfff]"
    escaped = f"&lt;(?={close})|(?<=\n)&lt;(?={line})|&amp;{quoted}|(?<=\n)&amp;{quoted_line}|&{_REFERENCE}"
    return re.compile(raw), re.compile(escaped)


def _encode(found: re.Match[str]) -> str:
    character = found[0]
    return _ENTITIES.get(character) or f"&#x{ord(character):X};"


def _decode(found: re.Match[str]) -> str:
    entity = found[0][1:-1]
    return _CHARACTERS.get(entity) or chr(int(entity[2:], 16))


def escape(text: str, tag: str, assistant: str | None = None, *, numbered: bool = False) -> str:
    """Escape content; ``unescape`` with the same arguments undoes it for every string.

    Args:
        tag: name of the element that contains it.
        assistant: the assistant's name.
        numbered: the element has an id, so no line of the content may look like one of our elements.
    """
    if "<" not in text and "&" not in text and not SURROGATE.search(text):
        return text
    return _special(tag, assistant, numbered)[0].sub(_encode, text)


def unescape(text: str, tag: str, assistant: str | None = None, *, numbered: bool = False) -> str:
    """Undo ``escape`` with the same arguments."""
    if "&" not in text:
        return text
    return _special(tag, assistant, numbered)[1].sub(_decode, text)


def attributes(values: Mapping[str, str]) -> str:
    """The attributes of a tag, each after a space; raises ValueError for an invalid name."""
    parts = []
    for key, value in values.items():
        if not _KEYS.fullmatch(key):
            raise ValueError(f"{key!r} cannot be the name of an attribute")
        parts.append(f' {key}="{_IN_VALUE.sub(_encode, value)}"')
    return "".join(parts)


def parse_attributes(text: str) -> dict[str, str]:
    """Parse the text between a tag's name and its end; of two equal names the first counts."""
    values: dict[str, str] = {}
    for key, double, single in _ATTRIBUTES.findall(text):
        values.setdefault(key, _VALUE_ENTITY.sub(_decode, double or single))
    return values


def void(name: str, values: Mapping[str, str]) -> str:
    """An element without content, on a line of its own."""
    return f"<{name}{attributes(values)}/>\n"
