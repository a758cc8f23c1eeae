"""Puts a live chat together from the settings: model, transcript, session."""

from collections.abc import Iterator
from contextlib import contextmanager

from chatcli.cli.invocation import Invocation
from chatcli.engine.base import Cancellation, Engine, Progress
from chatcli.session.loading import LoadingEngine
from chatcli.session.session import NewConversation, Session, SessionOptions
from chatcli.settings import Settings


@contextmanager
def background_engine(settings: Settings, invocation: Invocation) -> Iterator[LoadingEngine]:
    """Load the model of the settings in a thread; it is freed at the end.

    Raises:
        ChatcliError: by the call that waits for the engine, not here.
    """

    def load(cancel: Cancellation, progress: Progress) -> Engine:
        from chatcli.library.opening import open_engine

        return open_engine(settings, invocation.paths, on_progress=progress, cancel=cancel)

    engine = LoadingEngine(load)
    try:
        yield engine
    finally:
        engine.close()


def new_session(
    settings: Settings, invocation: Invocation, engine: LoadingEngine, *, grammar: str | None = None
) -> Session:
    """A session with an empty conversation, kept as a transcript unless the settings say not to."""
    options = SessionOptions(settings.system, settings.sampling, settings.thinking, grammar)
    return Session(engine, _conversations(settings, invocation), options)


def _conversations(settings: Settings, invocation: Invocation) -> NewConversation:
    from chatcli.storage.transcripts import NoTranscripts, TranscriptStore

    store = TranscriptStore(invocation.paths.transcripts) if settings.log else NoTranscripts()
    return lambda: store.create(assistant=settings.assistant_name)
