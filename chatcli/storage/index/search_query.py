"""The language of `transcripts search`: what a person types, into what SQLite's full-text search understands.

    words            messages that hold all of them, in any order, whatever their case and accents
    "a phrase"       these words in this order
    pre*             words that begin so
    role:user        messages of the user (user, assistant, system, title)
    model:qwen       answers of models whose name or file has a word that begins so, and their questions
    after:2026-11    conversations last written then or later; a day, a month, a year, today, yesterday
    before:2026      conversations last written before then
    rated:good       answers judged so (good, bad)

Anything else, a colon or a quotation mark that never closes included, is words.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from chatcli.errors import UsageError

ROLES = ("user", "assistant", "system", "title")
RATINGS = ("good", "bad")
_MOST_TERMS = 64
_LONGEST = 4000
_TERM = re.compile(
    r'(?:(?P<key>role|model|after|before|rated):)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))(?P<star>\*?)'
)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
# Scripts written without spaces: a run of them is one word to FTS5, so each character is made one.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
#: Put after each such character; not part of any word.
SEPARATOR = "\u200b"
_UNFIT = re.compile("[\0\x01\x02\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A parsed query.

    Attributes:
        match: an FTS5 expression over the columns content, model and role; empty: every message.
        words: whether the content is searched, so that there is something to highlight.
        after, before: seconds since 1970, or None.
        rated: one of ``RATINGS``, or None.
    """

    match: str
    words: bool
    after: int | None = None
    before: int | None = None
    rated: str | None = None


def parse_query(text: str, now: datetime) -> SearchQuery:
    """Parse a query.

    Args:
        text: as typed.
        now: the local time, for relative dates and the time zone.

    Raises:
        UsageError: the value of a filter is not valid, or there is nothing to search for.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"the query has {len(text)} characters; at most {_LONGEST} can be searched for")
    parts: list[str] = []
    bounds: dict[str, int] = {}
    rated, words = None, False
    for term in _TERM.finditer(text):
        key, value = term["key"], term["phrase"] if term["phrase"] is not None else term["word"]
        star = bool(term["star"]) or value.endswith("*")
        value = value.rstrip("*")
        if key in {"after", "before"}:
            bounds[key] = _moment(key, value, now)
        elif key == "rated":
            rated = _one_of(key, value, RATINGS)
        elif key == "role":
            parts.append(f'{{role}} : "{_one_of(key, value, ROLES)}"')
        elif any(c.isalnum() for c in value):
            column = "model" if key == "model" else "content"
            words = words or column == "content"
            parts.append(f"{{{column}}} : {_phrase(value, star or key == 'model')}")
    if len(parts) > _MOST_TERMS:
        raise UsageError(f"the query has {len(parts)} terms; at most {_MOST_TERMS} can be searched for")
    if not parts and not bounds and rated is None:
        raise UsageError("there is nothing to search for; a query needs a letter or a digit")
    return SearchQuery(" AND ".join(parts), words, bounds.get("after"), bounds.get("before"), rated)


def searchable(text: str) -> str:
    """Text as the index stores it: words can be told apart, and no character is one that marks a match."""
    if not text.isascii():
        text = _UNSPACED.sub(rf"\1{SEPARATOR}", text)
    return _UNFIT.sub(" ", text)


def _phrase(value: str, prefix: bool) -> str:
    quoted = f'"{searchable(value)}"'  # a value holds no quotation mark: _TERM
    return f"{quoted}*" if prefix else quoted


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> str:
    if value.lower() not in allowed:
        raise UsageError(f"{key}: is followed by {', '.join(allowed[:-1])} or {allowed[-1]}, not {value!r}")
    return value.lower()


def _moment(key: str, value: str, now: datetime) -> int:
    """The first second of a day, a month or a year, in local time."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if value.lower() in {"today", "yesterday"}:
        return int((midnight - timedelta(days=value.lower() == "yesterday")).timestamp())
    if found := _DATE.fullmatch(value):
        year, month, day = (int(part) for part in found.groups("1"))
        try:
            return int(datetime(year, month, day, tzinfo=now.tzinfo).timestamp())
        except (ValueError, OverflowError):
            pass
    raise UsageError(
        f"{key}: is followed by a date (2026-11-20, 2026-11, 2026, today, yesterday), not {value!r}"
    )
