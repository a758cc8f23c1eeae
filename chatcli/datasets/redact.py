"""Replaces private data in texts by placeholders.

It finds e-mail addresses, phone numbers, keys, tokens and passwords, user names in paths, credentials in
URLs, and numbers of cards, accounts and social security. It cannot find what has no typical form: names,
street addresses, a password in a sentence. So look at the preview, and review.
"""

import re
from collections import Counter
from collections.abc import Iterable

from chatcli.datasets.redact_patterns import SecretKind, kinds
from chatcli.errors import UsageError

_MOST_SAMPLES = 50
_AROUND = 24  # characters of context on each side of a sample


class Redactor:
    """Redacts texts: call it with a text.

    Args:
        patterns: further regular expressions; their matches become ``<REDACTED>``.

    Attributes:
        counts: number of replacements by placeholder.
        samples: the first replacements with some context: before and after.
        texts: number of changed texts.

    Raises:
        UsageError: a pattern is not a regular expression.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self.counts: Counter[str] = Counter()
        self.samples: list[tuple[str, str]] = []
        self.texts = 0
        self._kinds = [*map(_custom, patterns), *kinds()]

    def __call__(self, text: str) -> str:
        """The text with placeholders."""
        clean = text
        for kind in self._kinds:
            clean = kind.expression.sub(lambda match, kind=kind: self._replaced(match, kind), clean)  # type: ignore[misc]
        self.texts += clean != text
        return clean

    def _replaced(self, match: re.Match[str], kind: SecretKind) -> str:
        whole, text = match[0], match.string
        named = (match.span(name) for name in match.re.groupindex)
        begin, end = next((span for span in named if span[0] >= 0), match.span())
        secret = text[begin:end]
        if not secret or (kind.real is not None and not kind.real(secret)):
            return whole
        self.counts[kind.placeholder] += 1
        if len(self.samples) < _MOST_SAMPLES:
            before, after = text[max(0, begin - _AROUND) : begin], text[end : end + _AROUND]
            self.samples.append((before + secret + after, before + kind.placeholder + after))
        return whole[: begin - match.start()] + kind.placeholder + whole[end - match.start() :]


def _custom(pattern: str) -> SecretKind:
    try:
        return SecretKind("<REDACTED>", re.compile(pattern))
    except re.error as error:
        raise UsageError(f"{pattern!r} is not a regular expression: {error}") from None
