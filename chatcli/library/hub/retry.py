"""Tries again what fails for a moment, for a bounded time, and stops at once when told to."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from chatcli.errors import NetworkError
from chatcli.library.hub.errors import TransientError
from chatcli.words import duration

_Result = TypeVar("_Result")
#: Failures in a row that are forgiven, unless told otherwise.
RETRIES = 6
_LONGEST_PAUSE = 30.0
_LONGEST_WAIT = 300.0  # seconds a server may ask for


class Stopped(Exception):
    """The user, or a failure elsewhere, ended the work."""


@dataclass(slots=True)
class Stop:
    """Ends the work of several threads at once, reads from the network included."""

    _event: threading.Event = field(default_factory=threading.Event)
    _cancels: list[Callable[[], None]] = field(default_factory=list)

    def set(self) -> None:
        """End the work."""
        self._event.set()
        for cancel in list(self._cancels):
            cancel()

    def check(self) -> None:
        """Raise Stopped if the work is to end."""
        self.wait(0)

    def wait(self, seconds: float) -> None:
        """Pause; raise Stopped if the work is to end."""
        if self._event.wait(seconds):
            raise Stopped

    @contextlib.contextmanager
    def watching(self, cancel: Callable[[], None]) -> Iterator[None]:
        """Call ``cancel``, from another thread, if the work is to end while the block runs."""
        self._cancels.append(cancel)
        try:
            self.check()
            yield
        finally:
            self._cancels.remove(cancel)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often something is tried.

    Attributes:
        retries: failures in a row, without a byte in between, that are forgiven.
        first_pause: seconds before the first retry; doubled before each further one.
    """

    retries: int = RETRIES
    first_pause: float = 0.5


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
        except TransientError as trouble:
            stop.check()  # the trouble may be that the connection was shut here
            failures = 1 if progress() > reached else failures + 1
            reached = max(reached, progress())
            pause = trouble.after
            if pause is None:
                pause = min(_LONGEST_PAUSE, patience.first_pause * 2 ** (failures - 1))
            if failures > patience.retries:
                often = f"; given up after {failures} times" if failures > 1 else ""
                raise NetworkError(f"{trouble}{often}") from None
            if pause > _LONGEST_WAIT:
                raise NetworkError(f"{trouble}; it asks to come back in {duration(pause)}") from None
            note(f"{trouble}; trying again in {pause:g} s ({failures} of {patience.retries})")
        stop.wait(pause)
