"""Pairs and labels from the judgements of one prompt.

A prompt is everything the model saw; answers are told apart by digests, which are equal for texts that differ
in white space only. What is taken:

- ratings: each good answer over each bad one;
- a comparison: the winner over the loser; a tie, or two bad answers, give labels but no pair;
- a ranking: every answer over every one with a worse place, all pairs in one group: shuffled apart, they make
  a reward model overfit (InstructGPT, arXiv 2203.02155, section 3.5);
- a correction: the edited text over the original.

An answer that nobody judged gives nothing.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from chatcli.datasets.derivation_rules import Rules
from chatcli.datasets.derivation_sketch import GOOD


class Judged(NamedTuple):
    """A judgement of answers to the prompt.

    Attributes:
        event: its place in the log.
        source: one of ``SOURCES``.
        places: of each answer, 1 is the best; see ``Sketch.places``.
        digests: of each answer's text.
        whole: whether each answer was neither truncated nor interrupted.
    """

    event: int
    source: str
    places: tuple[int, ...]
    digests: tuple[Hashable, ...]
    whole: tuple[bool, ...]


class Spot(NamedTuple):
    """An answer: the judgement, and where in it the answer is, from 0."""

    judged: Judged
    at: int

    @property
    def digest(self) -> Hashable:
        """Of its text."""
        return self.judged.digests[self.at]

    @property
    def whole(self) -> bool:
        """Neither truncated nor interrupted."""
        return self.judged.whole[self.at]


class PairFound(NamedTuple):
    """One answer is better than another."""

    chosen: Spot
    rejected: Spot
    source: str

    @property
    def group(self) -> int | None:
        """The same for pairs that belong together: of one judgement; or None, of the prompt's thumbs."""
        return None if self.source == "thumbs" else self.chosen.judged.event


class LabelFound(NamedTuple):
    """An answer is good, or it is not."""

    answer: Spot
    good: bool
    source: str


_Found = TypeVar("_Found", PairFound, LabelFound)
#: Where candidates are counted that a rule left out.
Drops = Counter[str]

#: Of so many good and so many bad answers to one prompt, and of so many in one ranking, pairs are made: their
#: number grows with the square, and an export shall fit into memory whatever the log holds.
MOST_ANSWERS = 200
CUT, EQUAL = "answer cut short", "equal answers"
CONTRADICTION, DUPLICATE, CAP = "contradiction", "duplicate", "too many of one prompt"


def pairs_of(judged: Sequence[Judged], rules: Rules, drops: Drops) -> tuple[int, list[PairFound]]:
    """The pairs that the judgements of one prompt give, in the order of the log.

    Returns:
        How many candidates there were, and the pairs the rules leave.
    """
    found = list(_chosen_pairs(judged))
    count = len(found)
    if len(judged) > 1:
        possible, thumbs = _thumb_pairs(judged)
        count += possible
        found += thumbs
        if possible > len(thumbs):
            drops[CAP] += possible - len(thumbs)
    if not count:
        return 0, found
    found = _without(found, lambda p: not (rules.cut or (p.chosen.whole and p.rejected.whole)), CUT, drops)
    found = _without(found, lambda p: p.chosen.digest == p.rejected.digest, EQUAL, drops)
    if len(found) > 1:
        key = lambda p: (p.chosen.digest, p.rejected.digest)  # noqa: E731
        opposite = lambda p: (p.rejected.digest, p.chosen.digest)  # noqa: E731
        found = _settled(found, key, opposite, rules, drops)
    return count, found


def labels_of(judged: Sequence[Judged], rules: Rules, drops: Drops) -> tuple[int, list[LabelFound]]:
    """The labels that the judgements of one prompt give; as ``pairs_of``."""
    found = [label for j in judged for label in _labels(j, rules)]
    count = len(found)
    found = _without(found, lambda label: not (rules.cut or label.answer.whole), CUT, drops)
    if len(found) > 1:
        key = lambda label: (label.answer.digest, label.good)  # noqa: E731
        opposite = lambda label: (label.answer.digest, not label.good)  # noqa: E731
        found = _settled(found, key, opposite, rules, drops)
    return count, found


def _chosen_pairs(judged: Sequence[Judged]) -> Iterator[PairFound]:
    """Pairs within one judgement."""
    for j in judged:
        places = j.places[:MOST_ANSWERS]
        for better, place in enumerate(places):
            for worse, other in enumerate(places):
                if place < other:
                    yield PairFound(Spot(j, better), Spot(j, worse), j.source)


def _thumb_pairs(judged: Sequence[Judged]) -> tuple[int, list[PairFound]]:
    """Each good answer over each bad one that was rated by itself; and how many pairs there could be."""
    rated = [j for j in judged if len(j.places) == 1]
    good = [Spot(j, 0) for j in rated if j.places[0] == GOOD]
    bad = [Spot(j, 0) for j in rated if j.places[0] != GOOD]
    pairs = [
        PairFound(chosen, rejected, "thumbs")
        for chosen in good[:MOST_ANSWERS]
        for rejected in bad[:MOST_ANSWERS]
    ]
    return len(good) * len(bad), pairs


def _labels(j: Judged, rules: Rules) -> Iterator[LabelFound]:
    """What a judgement says of answers by themselves: the best is good, the worst bad, others are neither."""
    best, worst = min(j.places), max(j.places)
    if best == worst and len(j.places) > 1 and rules.ties == "skip":
        return
    for index, place in enumerate(j.places):
        if place in (best, worst):
            good = place == GOOD
            yield LabelFound(Spot(j, index), good, j.source)


def _without(
    found: list[_Found], unwanted: Callable[[_Found], bool], rule: str, drops: Drops
) -> list[_Found]:
    kept = [item for item in found if not unwanted(item)]
    if len(kept) < len(found):
        drops[rule] += len(found) - len(kept)
    return kept


def _settled(
    found: list[_Found],
    key: Callable[[_Found], Hashable],
    opposite: Callable[[_Found], Hashable],
    rules: Rules,
    drops: Drops,
) -> list[_Found]:
    """Without contradictions, duplicates, and what is too much; every judgement is a vote."""
    if rules.contradictions != "keep":
        votes = Counter(map(key, found))
        strict = rules.contradictions == "drop"

        def outvoted(item: _Found) -> bool:
            against = votes[opposite(item)]
            return bool(against) and (strict or votes[key(item)] <= against)

        found = _without(found, outvoted, CONTRADICTION, drops)
    if not rules.duplicates:
        first = {key(item): item for item in reversed(found)}
        found = _without(found, lambda item: first[key(item)] is not item, DUPLICATE, drops)
    if rules.per_prompt and len(found) > rules.per_prompt:
        drops[CAP] += len(found) - rules.per_prompt
        found = found[: rules.per_prompt]
    return found
