"""A session on the scripted engine, with real transcripts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcli.engine.base import Cancellation, Engine, Progress
from chatcli.engine.scripted.engine import ScriptedEngine
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.session import Session
from chatcli.settings import Settings
from chatcli.storage.transcripts.store import TranscriptStore


def open_scripted(settings: Settings, _cancel: Cancellation, _progress: Progress) -> Engine:
    """Opens ``scripted:...`` models only."""
    return ScriptedEngine.open(settings.model)


@pytest.fixture
def store(tmp_path: Path) -> TranscriptStore:
    """An empty transcripts folder."""
    return TranscriptStore(tmp_path / "transcripts")


@pytest.fixture
def session(store: TranscriptStore) -> Iterator[Session]:
    """A chat in which nothing has been said."""
    with EngineSlot(open_scripted, Settings(model="scripted:")) as slot:
        session = Session(slot, store)
        yield session
        session.close()
