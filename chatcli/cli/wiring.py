"""Puts a live chat together from the settings: model, transcript, session."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from chatcli.cli.invocation import Invocation
from chatcli.engine.base import Cancellation, Engine, Progress
from chatcli.session.answering import SessionOptions
from chatcli.session.engine_slot import EngineSlot, Open
from chatcli.session.judging import AnswerJudging
from chatcli.session.session import Session
from chatcli.session.written import ConversationStore
from chatcli.settings import Settings

if TYPE_CHECKING:
    from chatcli.storage.state_cache import StateCache


def background_engine(
    settings: Settings, invocation: Invocation, tell: Callable[[str], None] | None = None
) -> EngineSlot:
    """Load the model of the settings in a thread; close it, or use it as a context manager, to free it.

    Args:
        tell: called in that thread with what should be known of the model; None: said on stderr where no
            screen could be disturbed.

    Raises:
        ChatcliError: by the call that waits for the engine, not here.
    """

    if tell is None and not invocation.interactive:
        tell = lambda line: invocation.note(f"chatcli: {line}")  # noqa: E731

    return EngineSlot(opener(invocation, tell), settings)


def opener(invocation: Invocation, tell: Callable[[str], None] | None = None) -> Open:
    """What opens the model of some settings; ``tell`` as for ``background_engine``, None: nobody is told."""

    def open_model(wanted: Settings, cancel: Cancellation, progress: Progress) -> Engine:
        from chatcli.engine.registry import Opening
        from chatcli.library.opening import open_engine

        told = {} if tell is None else {"tell": tell}
        return open_engine(
            Opening(
                settings=wanted,
                paths=invocation.paths,
                environ=invocation.environ,
                on_progress=progress,
                cancel=cancel,
                **told,
            )
        )

    return open_model


def new_session(
    settings: Settings,
    invocation: Invocation,
    engine: EngineSlot,
    *,
    resume: str | None,
    grammar: str | None = None,
) -> Session:
    """A session, kept as a transcript unless the settings say not to.

    Args:
        resume: the conversation to go on with, as ``TranscriptStore.resolve`` takes it; None: a new one.
            Its own system prompt goes on, unless a flag gives another.

    Raises:
        ChatcliError: as ``Session.open``.
    """
    options = SessionOptions(
        settings.system, settings.sampling, settings.thinking, grammar, settings.assistant_name
    )
    store = transcript_store(settings, invocation)
    session = Session(engine, store, options, state_cache(settings, invocation))
    if resume is not None:
        opened = session.open(resume)
        for problem in opened.problems:
            invocation.note(
                f"chatcli: {opened.conversation.id}:{problem.line}: {problem.problem}; passed over"
            )
        if settings.origins.get("system") == "flag":
            session.options = options
    return session


def transcript_store(settings: Settings, invocation: Invocation) -> ConversationStore:
    """Where conversations are kept, or, if none are, only read."""
    from chatcli.storage.index import TranscriptIndex
    from chatcli.storage.transcripts import NoTranscripts, TranscriptStore

    paths = invocation.paths
    store = TranscriptStore(paths.transcripts, TranscriptIndex(paths.transcripts, paths.index).titled)
    if not settings.log:
        return NoTranscripts(store)
    store.recover()
    return store


def judge_of(settings: Settings, invocation: Invocation) -> AnswerJudging:
    """Who judges answers here: the person, by the labelling instructions, unless nothing shall be kept."""
    from chatcli.storage.feedback_log import FeedbackLog
    from chatcli.storage.guideline_file import GuidelineFile

    paths = invocation.paths
    if not settings.log:
        return AnswerJudging(None)
    guideline = GuidelineFile(paths.guideline, paths.former_guidelines)
    return AnswerJudging(FeedbackLog(paths.feedback_log), guideline.version)


def state_cache(settings: Settings, invocation: Invocation) -> "StateCache | None":
    """Where KV states are kept: at most so much as the settings say, and a tenth of what the disk has left.

    None: nowhere, since nothing shall be kept.
    """
    from chatcli.storage.state_cache import StateCache, room_for

    capacity = settings.state_cache_mb * 2**20
    if not settings.log or not capacity:
        return None
    folder = invocation.paths.kv_states
    return StateCache(folder, min(capacity, room_for(folder)))
