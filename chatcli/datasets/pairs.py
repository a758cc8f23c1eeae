"""Pairs and labels from the judgements of one prompt.

A prompt is everything that the model saw. Texts that differ in white space only are the same answer.

- Ratings: each good answer over each bad one.
- A comparison: the winner over the loser. A tie, or two bad answers, give labels but no pair.
- A ranking: every answer over every worse one, all pairs in one group. Shuffled apart they make a reward
  model overfit (InstructGPT, arXiv 2203.02155, section 3.5).
- A correction: the edited text over the original.

An answer without a judgement gives nothing.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from chatcli.datasets.judged import GOOD, Judged, JudgedAnswer
from chatcli.datasets.rules import Rules


class Spot(NamedTuple):
    """An answer in a judgement: the judgement, and the index of the answer."""

    judged: Judged
    at: int

    @property
    def answer(self) -> JudgedAnswer:
        """The answer."""
        return self.judged.answers[self.at]

    @property
    def digest(self) -> int:
        """Number of the text, see ``JudgedAnswer``."""
        return self.answer.digest

    @property
    def whole(self) -> bool:
        """Whether the answer was neither truncated nor interrupted."""
        return self.answer.whole


class PairFound(NamedTuple):
    """One answer is better than another."""

    chosen: Spot
    rejected: Spot
    source: str

    @property
    def group(self) -> int | None:
        """The judgement that the pair belongs to; None for a pair of thumbs."""
        return None if self.source == "thumbs" else self.chosen.judged.event


class LabelFound(NamedTuple):
    """A label: the answer is good or bad."""

    answer: Spot
    good: bool
    source: str


_Found = TypeVar("_Found", PairFound, LabelFound)
#: Candidates that were left out, by rule.
Drops = Counter[str]

#: Largest number of good and of bad answers to one prompt, and of answers in a ranking, that give pairs. The
#: number of pairs grows with the square, and an export must fit into memory for any log.
MOST_ANSWERS = 200
CUT, EQUAL = "answer cut short", "equal answers"
CONTRADICTION, DUPLICATE, CAP = "contradiction", "duplicate", "too many of one prompt"


def pairs_of(judged: Sequence[Judged], rules: Rules, drops: Drops) -> tuple[int, list[PairFound]]:
    """The pairs from the judgements of one prompt, in the order of the log.

    Returns:
        The number of candidates, and the pairs that the rules leave.
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
    """The labels from the judgements of one prompt, see ``pairs_of``."""
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
    """Each answer with a good rating over each with a bad one; and the number of possible pairs."""
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
    """The labels of one judgement: the best answers are good, the worst bad, the others have none."""
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
    """Without contradictions, duplicates and surplus rows. Every judgement is a vote."""
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
