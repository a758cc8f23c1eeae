"""Judgements in words: parsed as typed (``good accurate``, ``8``, ``bad too long``), and shown."""

from typing import NamedTuple

from chatcli.errors import UsageError
from chatcli.feedback.reasons import OTHER, label, opposite, read_reasons
from chatcli.feedback.records import Correction, Rating, Thumb, is_good
from chatcli.words import excerpt

#: The names of the thumbs.
THUMBS = {1: "good", -1: "bad"}
#: The best score.
HIGHEST = 10
_WORDS: dict[str, Thumb] = {"good": 1, "bad": -1, "up": 1, "down": -1, "+1": 1, "-1": -1, "👍": 1, "👎": -1}
_MOST_SHOWN = 40  # characters of a comment


class JudgementWords(NamedTuple):
    """A judgement as it was typed.

    Attributes:
        hint: a reason that the comment may have meant, or None.
    """

    thumb: Thumb | None
    score: int | None
    reasons: tuple[str, ...] = ()
    comment: str | None = None
    hint: str | None = None

    @property
    def direction(self) -> Thumb:
        """The thumb, given or implied by the score."""
        return 1 if is_good(self.thumb, self.score) else -1

    def after(self, former: Rating | None) -> "JudgementWords":
        """Add a former rating to this one if both have the same direction; else replace it."""
        if former is None or former.good != (self.direction == 1):
            return self
        return JudgementWords(
            self.thumb or former.thumb,
            self.score or former.score,
            self.reasons or former.reasons,
            self.comment or former.comment,
            self.hint,
        )


def read_judgement(word: str, reason: str = "") -> JudgementWords:
    """Parse a judgement; raises UsageError if it is none, or if the reason contradicts it."""
    number = word.removesuffix(f"/{HIGHEST}")
    if word.lower() in _WORDS:
        judgement = JudgementWords(_WORDS[word.lower()], None)
    elif number.isascii() and number.isdigit() and 1 <= int(number[:3]) <= HIGHEST:
        judgement = JudgementWords(None, int(number))
    else:
        raise UsageError(f"a judgement is good, bad or 1 to {HIGHEST}, not {word!r}")
    direction = judgement.direction
    reading = read_reasons(reason, direction)
    meant = read_reasons(reason, -direction).reasons if reason.strip() else ()
    wrong = opposite(meant, direction)
    if wrong and reading.comment is not None:
        raise UsageError(f"{wrong[0]} is a reason for {THUMBS[-direction]} answers; nothing was rated")
    return judgement._replace(reasons=reading.reasons, comment=reading.comment, hint=reading.hint)


def rating_words(rating: Rating) -> str:
    """A rating: ``good 9/10, accurate, "to the point"``."""
    thumb = THUMBS[rating.thumb] if rating.thumb is not None else ""
    score = f"{rating.score}/{HIGHEST}" if rating.score is not None else ""
    comment = " ".join((rating.comment or "").split())
    reasons = [label(reason) for reason in rating.reasons if reason != OTHER or not comment]
    if comment:
        reasons.append(f'"{excerpt(comment, _MOST_SHOWN)}"')
    return ", ".join((" ".join(filter(None, (thumb, score))), *reasons))


def judged_words(rating: Rating | None, correction: Correction | None) -> str:
    """Everything said of an answer; empty if nothing was."""
    return ", ".join(
        filter(None, (rating_words(rating) if rating else "", "corrected" if correction else ""))
    )
