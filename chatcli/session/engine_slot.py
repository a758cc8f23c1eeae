"""Holds the model of a chat: one at a time, exchanged while the chat goes on."""

from collections.abc import Callable

from chatcli.engine.base import Cancellation, Engine, Progress
from chatcli.errors import ChatcliError, ModelError
from chatcli.session.loading import LoadingEngine
from chatcli.settings import Settings

#: Opens the model of some settings; stops soon after the flag is set.
Open = Callable[[Settings, Cancellation, Progress], Engine]


class EngineSlot:
    """Holds the engine in use and loads another in its place. Call it to get the engine, waiting if needed.

    The old model is freed before the new one is loaded, since memory may not hold both. If loading fails, the
    old model is loaded again.

    Args:
        settings: of the first model.

    Attributes:
        settings: of the model in use.
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
