"""Lengths of the preferred answers and of the others: judges tend to prefer the longer one.

A model that learns from pairs that the longer answer nearly always won becomes long (arXiv 2403.19159).
"""

from collections.abc import Iterator
from dataclasses import dataclass

# A dataset is biased if the longer (or the shorter) answer won this share of the pairs,
_BIASED_SHARE = 0.6
# or if this is the ratio of mean lengths, either way,
_BIASED_RATIO = 1.25
# and if it has this many rows; in fewer it may be chance.
_ENOUGH = 20


@dataclass(slots=True)
class Lengths:
    """Lengths of answers, in characters: preferred ones and others.

    Attributes:
        pairs: number of pairs; 0 if answers were judged alone.
        longer, shorter: number of pairs in which the longer, or the shorter, answer was preferred.
        better, worse: number of preferred and of other answers.
        better_total, worse_total: their total lengths.
    """

    pairs: int = 0
    longer: int = 0
    shorter: int = 0
    better: int = 0
    worse: int = 0
    better_total: int = 0
    worse_total: int = 0

    def add_pair(self, chosen: int, rejected: int) -> None:
        """Count a pair by the lengths of its answers."""
        self.pairs += 1
        self.longer += chosen > rejected
        self.shorter += chosen < rejected
        self.add_answer(chosen, good=True)
        self.add_answer(rejected, good=False)

    def add_answer(self, length: int, *, good: bool) -> None:
        """Count an answer."""
        if good:
            self.better += 1
            self.better_total += length
        else:
            self.worse += 1
            self.worse_total += length

    @property
    def means(self) -> tuple[float, float]:
        """Mean length of the preferred and of the other answers; 0 if there are none."""
        return self.better_total / max(self.better, 1), self.worse_total / max(self.worse, 1)

    @property
    def bias(self) -> str | None:
        """A sentence on the bias in the lengths, or None."""
        better, worse = self.means
        if self.pairs >= _ENOUGH:
            for count, word in ((self.longer, "longer"), (self.shorter, "shorter")):
                if count / self.pairs >= _BIASED_SHARE:
                    return (
                        f"length bias: the {word} answer was preferred in {count / self.pairs:.0%} of the "
                        f"pairs; a model trained on them learns to be {word}"
                    )
        if min(self.better, self.worse) >= _ENOUGH and min(better, worse) > 0:
            ratio = better / worse
            if ratio >= _BIASED_RATIO or ratio <= 1 / _BIASED_RATIO:
                return (
                    f"length bias: preferred answers have {better:.0f} characters in the mean, the others "
                    f"{worse:.0f}; a model trained on them learns {'length' if ratio > 1 else 'brevity'}"
                )
        return None

    def lines(self) -> Iterator[str]:
        """The report for people."""
        if not (self.better or self.worse):
            return
        better, worse = self.means
        yield f"mean length: preferred {better:.0f} characters, others {worse:.0f}"
        if self.pairs:
            yield (
                f"the longer answer was preferred in {self.longer / self.pairs:.0%} of {self.pairs:,} pairs, "
                f"the shorter in {self.shorter / self.pairs:.0%}"
            )
        yield self.bias or "no length bias to speak of"
