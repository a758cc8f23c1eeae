"""SIGTERM and SIGHUP end a chat as leaving it does: what came is kept, and the terminal is as before."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def leaves_on_signals() -> Iterator[None]:
    """Raise ``SystemExit`` with 128 + the number, as shells count, wherever the main thread is.

    Further ones are ignored, since those who end a session send both one after the other; Ctrl-C still works.
    """
    names = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]

    def leave(number: int, _frame: FrameType | None) -> None:
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    former = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
