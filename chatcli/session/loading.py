"""Loads an engine in a thread, so that the prompt appears at once and the model loads behind it."""

import threading
from collections.abc import Callable

from chatcli.engine.base import Cancellation, Engine, Progress

#: Loads an engine; stops soon after the flag is set.
Load = Callable[[Cancellation, Progress], Engine]

_POLL_SECONDS = 0.1  # on Windows, a wait without a time limit cannot be interrupted


class LoadingEngine:
    """An engine that is being loaded. Call it to get the engine, waiting if needed.

    Args:
        load: loads the engine; runs in the thread.

    Attributes:
        progress: share of the loading that is done, 0 to 1; None while an unknown file is tried.
    """

    def __init__(self, load: Load) -> None:
        self.progress: float | None = 0.0
        self._cancellation = Cancellation()
        self._engine: Engine | None = None
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(load,), name="load", daemon=True)
        self._thread.start()

    def __call__(self) -> Engine:
        """The engine, once it is loaded; raises ChatcliError, each time the same, if that failed."""
        while not self._done.wait(_POLL_SECONDS):
            pass
        if self._error is not None:
            raise self._error
        assert self._engine is not None
        return self._engine

    @property
    def ready(self) -> bool:
        """Whether loading has ended, so that a call returns or raises at once."""
        return self._done.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for the end of loading; returns ``ready``."""
        return self._done.wait(seconds)

    @property
    def engine(self) -> Engine | None:
        """The engine if it is loaded, else None; never waits or raises."""
        return self._engine if self._done.is_set() else None

    def close(self) -> None:
        """Stop loading, or free the engine; idempotent."""
        self._cancellation.set()
        self._thread.join()
        if self._engine is not None:
            self._engine.close()

    def _run(self, load: Load) -> None:
        try:
            self._engine = load(self._cancellation, self._report)
        except BaseException as error:  # raised by the call that waits for the engine
            self._error = error
        finally:
            self._done.set()

    def _report(self, share: float | None) -> None:
        self.progress = share
