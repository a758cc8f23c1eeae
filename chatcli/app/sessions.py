"""Builds sessions, engines and stores from settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatcli.engine.base import Cancellation, Engine, Progress
from chatcli.session.answering import SessionOptions
from chatcli.session.engine_slot import EngineSlot, Open
from chatcli.session.judging import AnswerJudging
from chatcli.session.saved_conversation import ConversationStore
from chatcli.session.session import Session
from chatcli.settings import Paths, Settings

if TYPE_CHECKING:
    from chatcli.storage.state_cache import StateCache


@dataclass(frozen=True, slots=True)
class SessionBuilder:
    """Builds the parts of a live chat from the settings.

    Attributes:
        paths: where user data is kept.
        environ: environment variables.
        warn: called with each warning that the user should see.
    """

    paths: Paths
    environ: Mapping[str, str]
    warn: Callable[[str], None]

    def engine(self, settings: Settings, tell: Callable[[str], None] | None = None) -> EngineSlot:
        """Start to load the model of the settings in a thread. A context manager that frees the model.

        Args:
            tell: called in that thread with notices about the model, if given.

        Raises:
            ChatcliError: not here, but by the call that waits for the engine.
        """
        return EngineSlot(self.opener(tell), settings)

    def opener(self, tell: Callable[[str], None] | None = None) -> Open:
        """Return the function that opens the model of some settings; ``tell`` as for ``engine``."""

        def open_model(wanted: Settings, cancel: Cancellation, progress: Progress) -> Engine:
            from chatcli.engine.registry import Opening
            from chatcli.library.opening import open_engine

            return open_engine(
                Opening(
                    settings=wanted,
                    paths=self.paths,
                    environ=self.environ,
                    on_progress=progress,
                    cancel=cancel,
                    tell=tell or (lambda _line: None),
                )
            )

        return open_model

    def session(
        self, settings: Settings, engine: EngineSlot, *, resume: str | None, grammar: str | None = None
    ) -> Session:
        """Return a session, kept as a transcript unless the settings forbid it.

        Args:
            resume: the conversation to continue, as ``TranscriptStore.resolve`` takes it; None for a new one.
                Its own system prompt stays in force unless a flag sets another.
            grammar: GBNF grammar that every answer follows.
        """
        options = SessionOptions(
            settings.system, settings.sampling, settings.thinking, grammar, settings.assistant_name
        )
        session = Session(engine, self.store(settings), options, self._state_cache(settings))
        if resume is not None:
            opened = session.open(resume)
            for problem in opened.problems:
                self.warn(f"{opened.conversation.id}:{problem.line}: {problem.problem}; skipped")
            if settings.origins.get("system") == "flag":
                session.options = options
        return session

    def store(self, settings: Settings) -> ConversationStore:
        """Return the store of conversations; it only reads if nothing shall be kept."""
        from chatcli.storage.index.index import TranscriptIndex
        from chatcli.storage.transcripts.store import NoTranscripts, TranscriptStore

        folder = self.paths.transcripts
        store = TranscriptStore(folder, TranscriptIndex(folder, self.paths.index).titled)
        if not settings.log:
            return NoTranscripts(store)
        store.recover()
        return store

    def judge(self, settings: Settings) -> AnswerJudging:
        """Return the judge that records what the user says of answers; it keeps nothing without a log."""
        from chatcli.storage.feedback.guideline import GuidelineFile
        from chatcli.storage.feedback.log import FeedbackLog

        if not settings.log:
            return AnswerJudging(None)
        guideline = GuidelineFile(self.paths.guideline, self.paths.former_guidelines)
        return AnswerJudging(FeedbackLog(self.paths.feedback_log), guideline.version)

    def _state_cache(self, settings: Settings) -> "StateCache | None":
        """Return the cache of KV states, or None if nothing shall be kept.

        Its size is limited by the settings and by a tenth of the free disk space.
        """
        from chatcli.storage.state_cache import StateCache, room_for

        capacity = settings.state_cache_mb * 2**20
        if not settings.log or not capacity:
            return None
        folder = self.paths.kv_states
        return StateCache(folder, min(capacity, room_for(folder)))
