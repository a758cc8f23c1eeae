"""Files that grow or are read, as a screen knows them: how far one is, how fast, in which words."""

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from chatcli.words import byte_size, duration, part_of_size

_WINDOW = 5.0  # seconds that a rate is about
_SHORTEST = 0.3  # seconds, of which a rate can be told


class Item(Protocol):
    """A file, or something as large; equal ones are the same."""

    @property
    def path(self) -> str:
        """What it is called."""

    @property
    def size(self) -> int:
        """Bytes of the whole."""


@dataclass(slots=True)
class Work:
    """One of them, and how it went so far.

    Args:
        label: its name.
        size: bytes of the whole.
        have: bytes of it that are done.
        since: when it was begun, in seconds.
    """

    label: str
    size: int
    have: int
    since: float
    here: bool = field(init=False)
    _begun: int = field(init=False)
    _samples: deque[tuple[float, int]] = field(init=False)

    def __post_init__(self) -> None:
        """What is done at the beginning did not come in no time."""
        self.here = 0 < self.have == self.size
        self._begun = self.have
        self._samples = deque([(self.since, self.have)])

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.have / self.size if self.size else 1.0

    def grow(self, have: int, now: float) -> None:
        """So much is done now; less than before if it was begun anew."""
        if have < self.have:
            self._begun, self.since = have, now
            self._samples = deque([(now, have)])
        self.have = have
        if now - self._samples[-1][0] >= _SHORTEST / 3:
            self._samples.append((now, have))

    def rate(self, now: float) -> float | None:
        """Bytes a second, of late; None: that cannot be told yet."""
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOW:
            self._samples.popleft()
        then, before = self._samples[0]
        return (self.have - before) / (now - then) if now - then >= _SHORTEST else None

    def coming(self, now: float) -> "Figures":
        """As it goes on."""
        rate = self.rate(now)
        left = duration((self.size - self.have) / rate) if rate else ""
        return self._figures(rate, left)

    def ended(self, now: float) -> "Figures":
        """As it ended: at which rate in all, or that it was there before."""
        if self.here:
            return self._figures(None, "is here")
        done = self.have == self.size
        rate = (self.have - self._begun) / max(now - self.since, 1e-3) if done else None
        return self._figures(rate, "done" if done else "stopped")

    def _figures(self, rate: float | None, left: str) -> "Figures":
        speed = f"{byte_size(int(rate))}/s" if rate is not None else ""
        return Figures(self.label, self.share, part_of_size(self.have, self.size), speed, left)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is shown of a work: how much of it is done, at which rate, and what is left."""

    label: str
    share: float
    amount: str
    rate: str
    left: str
