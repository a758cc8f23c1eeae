"""Judgements in a few words, as the chat shows them."""

from chatcli.feedback.reasons import OTHER, label
from chatcli.feedback.records import Correction, Rating
from chatcli.words import excerpt

#: What a thumb is called.
THUMBS = {1: "good", -1: "bad"}
#: The best score.
HIGHEST = 10
_MOST_SHOWN = 40


def verdict_of(rating: Rating) -> str:
    """A rating: ``good 9/10, accurate, "to the point"``."""
    thumb = THUMBS[rating.thumb] if rating.thumb is not None else ""
    score = f"{rating.score}/{HIGHEST}" if rating.score is not None else ""
    comment = " ".join((rating.comment or "").split())
    reasons = [label(reason) for reason in rating.reasons if reason != OTHER or not comment]
    if comment:
        reasons.append(f'"{excerpt(comment, _MOST_SHOWN)}"')
    return ", ".join((" ".join(filter(None, (thumb, score))), *reasons))


def mark_of(rating: Rating | None, correction: Correction | None) -> str:
    """All that is said of an answer; empty: nothing is."""
    return ", ".join(filter(None, (verdict_of(rating) if rating else "", "corrected" if correction else "")))
