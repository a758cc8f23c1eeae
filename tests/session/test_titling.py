"""Titles by the model: written in idle time, and never at the cost of the chat."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chatcli.chat.message import Message, Usage, user
from chatcli.chat.transcript.reader import load
from chatcli.engine.base import Cancellation, Engine, Event, KeepsState, Progress
from chatcli.engine.llama.engine import LlamaEngine
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.scripted.engine import ScriptedEngine
from chatcli.session.answering import SessionOptions
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.session import Session
from chatcli.session.titling import Titler, title_of
from chatcli.settings import Settings
from chatcli.storage.state_cache import StateCache
from chatcli.storage.transcripts.store import TranscriptStore
from tests.pictures import picture
from tests.program import MODEL
from tests.session.conftest import open_scripted

LONG = " ".join(f"word{n}" for n in range(300))


def wait_until(condition: Callable[[], bool]) -> None:
    """Give a thread time."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def titled(session: Session) -> str:
    """The title the model gives."""
    titler = Titler(session)
    titler.begin()
    wait_until(lambda: bool(session.conversation.title))
    titler.end()
    return session.conversation.title


class SaysTheQuestion(ScriptedEngine):
    """Gives as a title what it is told the question was."""

    def generate(self, messages: Sequence[Message], *args: Any, **more: Any) -> Iterator[Event]:
        """Only the line with the question is answered."""
        lines = messages[-1].content.split("\n")
        asked = [user(line) for line in lines if line.startswith("Question:")]
        return super().generate(asked or messages, *args, **more)


def test_a_chat_about_a_picture_only_gets_a_title(store: TranscriptStore) -> None:
    """The model is told what the picture is called."""
    with EngineSlot(lambda *_: SaysTheQuestion(), Settings(model="scripted:")) as slot:
        session = Session(slot, store)
        list(session.send("", [picture()]))
        assert titled(session).endswith("Question: [picture: cat.png]")
        session.close()


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("Growing beans", "Growing beans"),
        ('\n**"Growing  beans."**\nmore', "Growing beans"),
        ("# Title: Growing beans", "Growing beans"),
        ("Python: an introduction", "Python: an introduction"),
        ("  \n***\n", ""),
        ("", ""),
        ("«Привет»", "Привет"),
        ("word " * 30, "word " * 11 + "word…"),
    ],
)
def test_what_models_say_becomes_a_title(answer: str, title: str) -> None:
    """One short line without decoration."""
    assert title_of(answer) == title.strip()


def test_a_title_is_written_and_kept(session: Session) -> None:
    """Once there is an answer; never over a title that is there; the file has it."""
    titler = Titler(session)
    titler.begin()
    titler.end()
    assert session.conversation.title == ""
    list(session.send("hello"))
    assert titled(session)
    assert session.transcript is not None
    assert load([session.transcript.read_bytes()]).conversation.title == session.conversation.title
    session.rename("Mine")
    titler.begin()
    titler.end()
    assert session.conversation.title == "Mine"


def open_bundled(_settings: Settings, cancel: Cancellation, progress: Progress) -> Engine:
    """The real model, the same way each time."""
    return LlamaEngine.open(MODEL, LoadOptions(context_size=1024, threads=1, use_extra_bufts=False))


def open_slow(settings: Settings, cancel: Cancellation, progress: Progress) -> Engine:
    """A scripted engine that takes its time over every word."""
    return open_scripted(Settings(model="scripted:delay=0.1"), cancel, progress)


@pytest.fixture(params=["scripted", "llama"])
def sessions(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Session]]:
    """Makes chats, each with an engine of its own that takes the likeliest token."""
    made: list[tuple[Session, EngineSlot]] = []

    def make() -> Session:
        slot = EngineSlot(
            open_scripted if request.param == "scripted" else open_bundled, Settings(model="scripted:")
        )
        options = SessionOptions(sampling={"temperature": 0.0, "max_tokens": 16})
        session = Session(slot, TranscriptStore(tmp_path / f"{len(made)}"), options)
        made.append((session, slot))
        return session

    yield make
    for session, slot in made:
        session.close()
        slot.close()


def usage(session: Session, text: str) -> Usage:
    """What an answer took."""
    list(session.send(text))
    assert session.last is not None
    return session.last.usage


def test_the_next_turn_reads_as_many_tokens_as_without(sessions: Callable[[], Session]) -> None:
    """After a title was written, and after its writing was stopped at once."""
    plain, written, stopped = sessions(), sessions(), sessions()
    for session in (plain, written, stopped):
        list(session.send("What is reinforcement learning?"))
    assert titled(written)
    titler = Titler(stopped)
    titler.begin()
    titler.stop()
    titler.end()
    said = [usage(session, "Thanks! And what is a reward?") for session in (plain, written, stopped)]
    assert said[0] == said[1] == said[2]
    assert said[0].cached_tokens > 10
    assert [s.conversation.messages()[-1].content for s in (written, stopped)] == [
        plain.conversation.messages()[-1].content
    ] * 2


def test_what_is_kept_when_leaving_is_the_chat(store: TranscriptStore, tmp_path: Path) -> None:
    """Leaving in the middle of a title saves what the model has read of the chat, not of the request."""
    states = StateCache(tmp_path / "kv", 2**22)
    with EngineSlot(open_slow, Settings()) as slot:
        session = Session(slot, store, SessionOptions(sampling={"max_tokens": 3}), states)
        list(session.send(LONG))
        name, engine = session.conversation.id, session.engine()
        assert isinstance(engine, KeepsState)
        before = bytes(engine.save_state() or b"")
        titler = Titler(session)
        titler.begin()
        time.sleep(0.3)
        titler.end()
        assert session.conversation.title == ""
        assert bytes(engine.save_state() or b"") != before
        session.close()
        assert bytes(states.load(name, engine.state_conditions) or b"") == before
