"""Trying again what fails in passing, for a bounded time, and stopping at once when told to."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from chatcli.errors import NetworkError
from chatcli.library.hub.connection import Answer
from chatcli.library.hub.refusal import LONGEST_WAIT, Passing
from chatcli.words import duration

_Result = TypeVar("_Result")
#: Failures in a row that are forgiven, unless told otherwise.
RETRIES = 6
_LONGEST_PAUSE = 30.0


class Stopped(Exception):
    """The person, or a failure elsewhere, ended the work."""


@dataclass(slots=True)
class Stop:
    """Ends the work of several threads at once, reads from the network included."""

    _event: threading.Event = field(default_factory=threading.Event)
    _open: dict[int, Answer] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self) -> None:
        """End it."""
        self._event.set()
        with self._lock:
            for answer in self._open.values():
                answer.shut()

    def check(self) -> None:
        """Raise Stopped if it is to end."""
        if self._event.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Pause, or raise Stopped if it is to end."""
        if self._event.wait(seconds):
            raise Stopped

    def watch(self, answer: Answer) -> None:
        """Shut this answer's connection when it is to end."""
        with self._lock:
            self._open[id(answer)] = answer
        self.check()

    def forget(self, answer: Answer) -> None:
        """The answer has been read."""
        with self._lock:
            self._open.pop(id(answer), None)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often something is tried.

    Attributes:
        retries: failures in a row, without a byte in between, that are forgiven.
        first_pause: seconds before the first retry; doubled before each further one.
    """

    retries: int = RETRIES
    first_pause: float = 0.5

    def pause(self, failures: int, after: float | None) -> float:
        """Seconds to wait after so many failures in a row; ``after`` is what the server asked for."""
        return after if after is not None else min(_LONGEST_PAUSE, self.first_pause * 2 ** (failures - 1))


def retrying(
    attempt: Callable[[], _Result],
    patience: Patience,
    stop: Stop,
    note: Callable[[str], None],
    progress: Callable[[], int] = lambda: 0,
) -> _Result:
    """Call ``attempt`` until it succeeds.

    Args:
        note: told in a line why it is tried again, and when.
        progress: a number that grows when an attempt got further; then counting begins anew.

    Raises:
        NetworkError: it fails for good, or for too long.
        Stopped: the work is to end.
    """
    failures, reached = 0, progress()
    while True:
        stop.check()
        try:
            return attempt()
        except Passing as trouble:
            stop.check()  # the trouble may be that the connection was shut here
            failures = 1 if progress() > reached else failures + 1
            reached = max(reached, progress())
            pause = patience.pause(failures, trouble.after)
            if failures > patience.retries:
                often = f"; given up after {failures} times" if failures > 1 else ""
                raise NetworkError(f"{trouble}{often}") from None
            if pause > LONGEST_WAIT:
                raise NetworkError(f"{trouble}; it asks to come back in {duration(pause)}") from None
            note(f"{trouble}; trying again in {pause:g} s ({failures} of {patience.retries})")
        stop.wait(pause)
