"""The place where the model of a chat stands: one at a time, exchanged while the chat goes on."""

from collections.abc import Callable

from chatcli.engine.base import Cancellation, Engine, Progress
from chatcli.errors import ChatcliError, ModelError
from chatcli.session.loading import LoadingEngine
from chatcli.settings import Settings

#: Opens the model of some settings; stops soon after the flag is set.
Open = Callable[[Settings, Cancellation, Progress], Engine]


class EngineSlot:
    """Holds the engine in use and loads another in its place; call it to get the engine, waiting if need be.

    The old model is freed before the new one is loaded, since two may not fit the memory. If the new one
    cannot be loaded, the old one is loaded again.

    Args:
        open_engine: opens the model of some settings.
        settings: which model to load first, and how.

    Attributes:
        settings: of the model in use.
        open_engine: as given.
    """

    def __init__(self, open_engine: Open, settings: Settings) -> None:
        self.settings = settings
        self.open_engine = open_engine
        self._former: Settings | None = None
        self._loading = self._load()

    def __call__(self) -> Engine:
        """The engine, as soon as it is there.

        Raises:
            ChatcliError: it could not be loaded; if it was to replace another, that one is loading again.
        """
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
        """Loading has ended, well or not: a call returns or raises at once."""
        return self._loading.ready

    def wait(self, seconds: float) -> bool:
        """Wait so long for the end of loading; returns ``ready``."""
        return self._loading.wait(seconds)

    @property
    def engine(self) -> Engine | None:
        """The engine if it is there already, without waiting and without raising."""
        return self._loading.engine

    @property
    def progress(self) -> float | None:
        """Share of the loading that is done, 0 to 1; None while an unknown file is tried."""
        return self._loading.progress

    def switch(self, settings: Settings) -> None:
        """Free the model in use and load another behind; nothing must be generating."""
        if self.engine is not None:
            self._former = self.settings
        self._loading.close()
        self.settings = settings
        self._loading = self._load()

    def close(self) -> None:
        """Stop loading, or free the engine; idempotent."""
        self._loading.close()

    def __enter__(self) -> "EngineSlot":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self) -> LoadingEngine:
        settings = self.settings
        return LoadingEngine(lambda cancel, progress: self.open_engine(settings, cancel, progress))
