"""What a person means by the words of a judgement: ``good accurate``, ``8``, ``bad too long``."""

from typing import NamedTuple

from chatcli.errors import UsageError
from chatcli.feedback.reasons import opposite, read_reasons
from chatcli.feedback.records import Rating, Thumb, is_good

_THUMBS: dict[str, Thumb] = {"good": 1, "bad": -1, "up": 1, "down": -1, "+1": 1, "-1": -1, "👍": 1, "👎": -1}
_NAMES = {1: "good", -1: "bad"}
_HIGHEST = 10


class Verdict(NamedTuple):
    """What is said of an answer.

    Attributes:
        thumb: 1 or -1; None: the score says it.
        score: 1 to 10; None: none.
        reasons: of ``feedback.reasons``.
        comment: free words.
        hint: a reason that the comment may have meant.
    """

    thumb: Thumb | None
    score: int | None
    reasons: tuple[str, ...] = ()
    comment: str | None = None
    hint: str | None = None

    @property
    def direction(self) -> Thumb:
        """The thumb, or that of the score."""
        return 1 if is_good(self.thumb, self.score) else -1

    def after(self, former: Rating | None) -> "Verdict":
        """With what was said before in the same sense; the opposite replaces it."""
        if former is None or former.good != (self.direction == 1):
            return self
        return Verdict(
            self.thumb or former.thumb,
            self.score or former.score,
            self.reasons or former.reasons,
            self.comment or former.comment,
            self.hint,
        )


def read_verdict(word: str, reason: str = "") -> Verdict:
    """The verdict of a word, with a reason or a comment.

    Args:
        word: good, bad, up, down, +1, -1 or 1 to 10.
        reason: reasons of the vocabulary with commas between them, or free words; empty: none.

    Raises:
        UsageError: it is no verdict, or the reason is one for the opposite.
    """
    number = word.removesuffix(f"/{_HIGHEST}")
    if word.lower() in _THUMBS:
        verdict = Verdict(_THUMBS[word.lower()], None)
    elif number.isascii() and number.isdigit() and 1 <= int(number[:3]) <= _HIGHEST:
        verdict = Verdict(None, int(number))
    else:
        raise UsageError(f"a judgement is good, bad or 1 to {_HIGHEST}, not {word!r}")
    direction = verdict.direction
    reading = read_reasons(reason, direction)
    meant = read_reasons(reason, -direction).reasons if reason.strip() else ()
    wrong = opposite(meant, direction)
    if wrong and reading.comment is not None:
        raise UsageError(f"{wrong[0]} is a reason for {_NAMES[-direction]} answers; nothing was rated")
    return verdict._replace(reasons=reading.reasons, comment=reading.comment, hint=reading.hint)
