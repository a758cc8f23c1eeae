"""A share of a number of cases, and how sure it is."""

import math
from typing import NamedTuple

_Z = 1.959963984540054  # the normal distribution's 97.5% quantile


class Proportion(NamedTuple):
    """``part`` of ``whole`` cases."""

    part: float
    whole: int

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None of no cases."""
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% score interval (JASA 22, 1927): right for few cases and for shares of 0 and 1 too."""
        n = self.whole
        if not n:
            return 0.0, 1.0
        share, square = self.part / n, _Z * _Z
        middle = (share + square / (2 * n)) / (1 + square / n)
        half = _Z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)
