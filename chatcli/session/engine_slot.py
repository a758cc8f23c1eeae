"""Loads the model of a chat in a thread, and exchanges it while the chat goes on."""

import threading
from collections.abc import Callable

from chatcli.engine.base import Cancellation, Engine, Progress
from chatcli.errors import ChatcliError, ModelError
from chatcli.settings import Settings

#: Opens the model of some settings; stops soon after the flag is set.
Open = Callable[[Settings, Cancellation, Progress], Engine]


#: Loads an engine; stops soon after the flag is set.
Load = Callable[[Cancellation, Progress], Engine]

_POLL_SECONDS = 0.1  # on Windows, a wait without a time limit cannot be interrupted


class LoadingEngine:
    """An engine that is being loaded. Call it to get the engine, waiting if needed.

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


class EngineSlot:
    """Holds the engine in use and loads another in its place. Call it to get the engine, waiting if needed.

    The old model is freed before the new one is loaded, since memory may not hold both. If loading fails, the
    old model is loaded again.
    """

    def __init__(self, open_engine: Open, settings: Settings) -> None:
        self.settings = settings
        self.open_engine = open_engine
        self._former: Settings | None = None
        self._loading = self._load()

    def __call__(self) -> Engine:
        """The engine, once it is loaded. If it cannot be loaded, raises and loads the former one again."""
        try:
            return self._loading()
        except ChatcliError as error:
            if self._former is None:
                raise
            self._loading.close()
            self.settings, self._former = self._former, None
            self._loading = self._load()
            raise ModelError(f"{error}; going back to {self.settings.model}") from error

    @property
    def ready(self) -> bool:
        """Whether loading has ended, so that a call returns or raises at once."""
        return self._loading.ready

    def wait(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for the end of loading; returns ``ready``."""
        return self._loading.wait(seconds)

    @property
    def engine(self) -> Engine | None:
        """The engine if it is loaded, else None; never waits or raises."""
        return self._loading.engine

    @property
    def progress(self) -> float | None:
        """Share of the loading that is done, 0 to 1; None while an unknown file is tried."""
        return self._loading.progress

    def switch(self, settings: Settings) -> None:
        """Free the model in use and load another in the background. Nothing may be generating."""
        if self.engine is not None:
            self._former = self.settings
        self._loading.close()
        self.settings = settings
        self._loading = self._load()

    def close(self) -> None:
        """Stop loading or free the engine; idempotent."""
        self._loading.close()

    def __enter__(self) -> "EngineSlot":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self) -> LoadingEngine:
        settings = self.settings
        return LoadingEngine(lambda cancel, progress: self.open_engine(settings, cancel, progress))
