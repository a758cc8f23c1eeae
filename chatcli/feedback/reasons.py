"""Reasons of judgements: the vocabulary of Open WebUI, and how typed words are read as its reasons.

Other programs know this vocabulary too.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

OTHER = "other"

#: Reason -> its label, for good answers.
UP: Mapping[str, str] = {
    "accurate_information": "accurate",
    "followed_instructions_perfectly": "followed the instructions",
    "showcased_creativity": "creative",
    "positive_attitude": "pleasant",
    "attention_to_detail": "careful",
    "thorough_explanation": "thorough",
    OTHER: "other",
}
#: Reason -> its label, for bad answers.
DOWN: Mapping[str, str] = {
    "dont_like_the_style": "style",
    "too_verbose": "too long",
    "not_helpful": "not helpful",
    "not_factually_correct": "wrong",
    "didnt_fully_follow_instructions": "ignored instructions",
    "refused_when_it_shouldnt_have": "refused",
    "being_lazy": "lazy",
    OTHER: "other",
}


class ReasonMatch(NamedTuple):
    """How typed words were read.

    Attributes:
        reasons: reasons of the vocabulary.
        comment: the words, if they are not reasons; else None.
        hint: the reason that the words resemble, or None.
    """

    reasons: tuple[str, ...]
    comment: str | None = None
    hint: str | None = None


def vocabulary(thumb: int) -> Mapping[str, str]:
    """Reason -> label, for a thumb up (1) or down (-1)."""
    return UP if thumb > 0 else DOWN


def label(reason: str) -> str:
    """The label of a reason; another word is its own label."""
    return UP.get(reason) or DOWN.get(reason) or reason


def completions(prefix: str, thumb: int) -> list[str]:
    """The reasons that begin like this: by their names, then by their labels."""
    wanted = _key(prefix)
    known = vocabulary(thumb)
    by_name = [reason for reason in known if _key(reason).startswith(wanted)]
    return by_name + [r for r in known if r not in by_name and _key(known[r]).startswith(wanted)]


def read_reasons(text: str, thumb: int) -> ReasonMatch:
    """Read the words after a thumb.

    A name, a unique beginning or a label is read as its reason; commas separate several. Other text is the
    reason ``other`` with the text as comment, and with a hint if it resembles a reason.

    Args:
        text: the typed words; empty for no reason.
        thumb: 1 or -1.
    """
    text = text.strip()
    if not text:
        return ReasonMatch(())
    reasons = [_reason(part, thumb) for part in text.split(",") if part.strip()]
    if reasons and all(reasons):
        return ReasonMatch(tuple(dict.fromkeys(r for r in reasons if r)))
    return ReasonMatch((OTHER,), text, nearest(text, thumb))


def nearest(word: str, thumb: int) -> str | None:
    """The reason whose name or label a word resembles, or None."""
    known = vocabulary(thumb)
    names = {_key(reason): reason for reason in known} | {_key(text): r for r, text in known.items()}
    near = difflib.get_close_matches(_key(word), names, n=1, cutoff=0.75)
    return names[near[0]] if near else None


def opposite(reasons: Iterable[str], thumb: int) -> list[str]:
    """The reasons that belong to the other thumb only."""
    here, there = vocabulary(thumb), vocabulary(-thumb)
    return [reason for reason in reasons if reason in there and reason not in here]


def _reason(part: str, thumb: int) -> str | None:
    wanted, known = _key(part), vocabulary(thumb)
    for reason, text in known.items():
        if wanted in {_key(reason), _key(text)}:
            return reason
    found = completions(part, thumb) if wanted else []
    return found[0] if len(found) == 1 else None


def _key(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
