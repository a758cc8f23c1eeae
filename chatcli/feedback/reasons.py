"""Why an answer is good or bad: Open WebUI's vocabulary, and what a person types for it.

The vocabulary is one that other programs know, so that judgements travel.
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
    """What was made of what a person typed.

    Attributes:
        reasons: of the vocabulary.
        comment: the words, where they are none; None: nothing is left over.
        hint: a reason that may have been meant; None: none is near.
    """

    reasons: tuple[str, ...]
    comment: str | None = None
    hint: str | None = None


def vocabulary(thumb: int) -> Mapping[str, str]:
    """Reason -> label, for a thumb up (1) or down (-1)."""
    return UP if thumb > 0 else DOWN


def label(reason: str) -> str:
    """How a reason is shown; one that is not of the vocabulary, as it is."""
    return UP.get(reason) or DOWN.get(reason) or reason


def completions(prefix: str, thumb: int) -> list[str]:
    """The reasons that what was typed so far may become: by their names, then by their labels."""
    wanted = _key(prefix)
    known = vocabulary(thumb)
    by_name = [reason for reason in known if _key(reason).startswith(wanted)]
    return by_name + [r for r in known if r not in by_name and _key(known[r]).startswith(wanted)]


def read_reasons(text: str, thumb: int) -> ReasonMatch:
    """What a person means by words after a thumb.

    Words that are a reason, the beginning of one only, or a label, are that reason; several may be given,
    with commas. Anything else is free text: the reason ``other``, with the text as comment, and a hint if a
    single word is nearly a reason.

    Args:
        text: what was typed; empty means no reason.
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
    """The reason that a word is nearly, by its name or its label; None: none."""
    known = vocabulary(thumb)
    names = {_key(reason): reason for reason in known} | {_key(text): r for r, text in known.items()}
    near = difflib.get_close_matches(_key(word), names, n=1, cutoff=0.75)
    return names[near[0]] if near else None


def opposite(reasons: Iterable[str], thumb: int) -> list[str]:
    """Those of the reasons that are only given for the other thumb."""
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
