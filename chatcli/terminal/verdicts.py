"""Judgements in a few words, as the chat shows them."""

from chatcli.feedback.reasons import label
from chatcli.feedback.records import Correction, Rating

#: What a thumb is called.
THUMBS = {1: "good", -1: "bad"}
#: The best score.
HIGHEST = 10


def verdict_of(rating: Rating) -> str:
    """A rating: ``good 9/10, accurate``."""
    thumb = THUMBS[rating.thumb] if rating.thumb is not None else ""
    score = f"{rating.score}/{HIGHEST}" if rating.score is not None else ""
    return ", ".join((" ".join(filter(None, (thumb, score))), *map(label, rating.reasons)))


def mark_of(rating: Rating | None, correction: Correction | None) -> str:
    """All that is said of an answer; empty: nothing is."""
    return ", ".join(filter(None, (verdict_of(rating) if rating else "", "corrected" if correction else "")))
