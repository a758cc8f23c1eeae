"""The counts of an export, step by step: from the events of the log down to the rows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Funnel:
    """What went in, what was left out and why, and what came out.

    Attributes:
        unit: the content of a row, in the plural.
        events: lines of the log.
        not_live: events that do not count, by fate; damaged lines among them.
        refused: live judgements that the rules leave out, by rule.
        candidates: pairs or labels that the other judgements could give.
        dropped: candidates that were left out, by rule.
        rows: rows by split.
    """

    unit: str = "pairs"
    events: int = 0
    not_live: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    candidates: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)

    @property
    def live(self) -> int:
        """Judgements that count now."""
        return self.events - self.not_live.total()

    @property
    def taken(self) -> int:
        """Judgements that the rules let through."""
        return self.live - self.refused.total()

    def steps(self) -> Iterator[tuple[str, int]]:
        """Every number with its name; losses are negative."""
        yield "events in the log", self.events
        yield from _taken_away(self.not_live)
        yield "live judgements", self.live
        yield from _taken_away(self.refused)
        yield "judgements taken", self.taken
        yield f"candidates ({self.unit})", self.candidates
        yield from _taken_away(self.dropped)
        yield "rows", self.rows.total()
        if len(self.rows) > 1:
            yield from ((f"rows of {name}", self.rows[name]) for name in sorted(self.rows))

    def lines(self) -> list[str]:
        """The steps as a table for people."""
        width = max(len(name) for name, _ in self.steps()) + 4
        return [
            f"  {name:<{width - 2}}{number:>12,}" if number < 0 else f"{name:<{width}}{number:>12,}"
            for name, number in self.steps()
        ]


def _taken_away(counts: Counter[str]) -> Iterator[tuple[str, int]]:
    for name in sorted(counts):
        if counts[name]:
            yield name, -counts[name]
