"""Several answers to one message: how they take turns, what is kept, where the chat goes on."""

import hashlib
import threading
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from chatcli.chat.message import FinishReason
from chatcli.engine.base import Cancellation, Engine, Finished, Progress, TextDelta
from chatcli.engine.llama.engine import LlamaEngine
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.errors import ModelError, ModelNotFound, UsageError
from chatcli.session.answering import SessionOptions
from chatcli.session.arena.contenders import Contender, Twin, open_contender, parse_contender
from chatcli.session.arena.duel import Duel, DuelEvent
from chatcli.session.background import Background
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.session import Session
from chatcli.settings import Settings
from chatcli.storage.transcripts.store import TranscriptStore
from tests.engine import tiny_models
from tests.session.conftest import open_scripted

SCRIPTED = Contender(Settings(model="scripted:"))


def finished(answers: Background[DuelEvent]) -> list[DuelEvent]:
    """All that happens."""
    return list(answers)


@pytest.fixture
def asked(session: Session) -> Session:
    """A chat in which one question was answered."""
    list(session.send("count to 30"))
    return session


@pytest.fixture
def twin(asked: Session) -> Iterator[Twin]:
    """A second engine with the chat's model."""
    second = Twin(asked.engine, SCRIPTED)
    second()
    yield second
    second.close()


def test_two_engines_take_turns(asked: Session, twin: Twin) -> None:
    """Both answers grow: no engine has two events in a row while the other still writes."""
    duel = Duel(asked, [(SCRIPTED, asked.engine), (SCRIPTED, twin)])
    words = [said.lane for said in finished(duel.start()) if isinstance(said.event, TextDelta)]
    assert len(words) > 50
    assert max(len(list(run)) for _, run in groupby(words)) == 1


def test_one_engine_writes_one_after_the_other(asked: Session) -> None:
    """An engine is never used by two answers at once."""
    duel = Duel(asked, [(SCRIPTED, asked.engine), (SCRIPTED, asked.engine)])
    lanes = [said.lane for said in finished(duel.start())]
    assert lanes == sorted(lanes)
    assert duel.whole


def test_answers_are_siblings_with_their_own_provenance(asked: Session, store: TranscriptStore) -> None:
    """Also in the file; the chat goes on from the one that is chosen, and the first answer stays."""
    first = asked.conversation.path()[-1]
    other = parse_contender(["scripted:context=99", "temperature=2"], SCRIPTED, "")
    loading = open_contender(other, open_scripted)
    duel = Duel(asked, [(SCRIPTED, asked.engine), (other, loading)])
    finished(duel.start())
    one, two = duel.nodes
    assert one is not None
    assert two is not None
    assert one.parent == two.parent == first.parent == duel.question
    assert two.message.generation is not None
    assert (two.message.generation.model.context_size, two.message.generation.parameters.temperature) == (
        99,
        2,
    )
    duel.go_on(two.id)
    assert asked.conversation.head == two.id
    assert asked.last is two.message.generation
    loading.close()
    name = asked.conversation.id
    asked.close()
    read = store.read(name).conversation
    assert [n.message for n in read.siblings(first.id)] == [first.message, one.message, two.message]
    assert read.head == two.id


def test_seeds_differ_even_if_one_is_set(asked: Session) -> None:
    """Two answers of the same model with the same seed would be the same."""
    own = parse_contender([], Contender(Settings(model="scripted:"), {"seed": 7}), "")
    duel = Duel(asked, [(own, asked.engine)] * 3)
    finished(duel.start())
    generations = [node.message.generation for node in duel.nodes if node is not None]
    assert len({g.parameters.seed for g in generations if g is not None}) == 3


def test_stopping_keeps_what_came_and_the_chat_where_it_was(session: Session) -> None:
    """Both parts are kept, marked interrupted."""
    list(session.send("count to 2000"))
    before = session.conversation.head
    slow = Contender(Settings(model="scripted:delay=0.01"))
    engines = [open_contender(slow, open_scripted) for _ in range(2)]
    duel = Duel(session, [(slow, engine) for engine in engines])
    answers = duel.start()
    words = 0
    for said in answers:
        words += isinstance(said.event, TextDelta)
        if words == 10:
            answers.cancel()
    assert not duel.whole
    for node in duel.nodes:
        assert node is not None
        assert node.message.content.startswith("1 2 3")
        assert node.message.generation is not None
        assert node.message.generation.finish_reason is FinishReason.INTERRUPTED
    duel.go_back()
    assert session.conversation.head == before
    for engine in engines:
        engine.close()


def test_stopping_before_an_engine_is_there_leaves_nothing(asked: Session) -> None:
    """No empty answer is kept."""
    duel = Duel(asked, [(SCRIPTED, asked.engine), (SCRIPTED, asked.engine)])
    count = len(asked.conversation)
    stopped = Cancellation()
    stopped.set()
    assert list(duel._run(stopped)) == []
    assert (duel.nodes, len(asked.conversation)) == ([None, None], count)


def test_a_model_that_cannot_be_loaded_ends_it(asked: Session, tmp_path: Path) -> None:
    """What the other wrote is kept; the reason is raised."""
    missing = Contender(Settings(model=f"scripted:{tmp_path / 'none.txt'}"))
    loading = open_contender(missing, open_scripted)
    loading.wait(10)
    duel = Duel(asked, [(SCRIPTED, asked.engine), (missing, loading)])
    with pytest.raises(ModelNotFound, match="no script"):
        finished(duel.start())
    duel.go_back()
    assert [n.message.content for n in asked.conversation.path()][-1].startswith("1 2 3")
    loading.close()


def test_an_answer_that_another_ones_failure_ends_is_kept(asked: Session, tmp_path: Path) -> None:
    """As far as it came, with how it was asked for."""
    came = threading.Event()

    def open_late(settings: Settings, cancel: Cancellation, progress: Progress) -> Engine:
        came.wait(10)
        return open_scripted(settings, cancel, progress)

    list(asked.send("count to 400"))
    asked.engine.switch(Settings(model="scripted:delay=0.01"))
    loading = open_contender(Contender(Settings(model=f"scripted:{tmp_path / 'none.txt'}")), open_late)
    quick = Contender(Settings(model="scripted:"), {"temperature": 0.5}, thinking=False)
    duel = Duel(asked, [(quick, asked.engine), (quick, loading)])
    answers = duel.start()
    next(said for said in answers if isinstance(said.event, TextDelta))
    came.set()
    with pytest.raises(ModelNotFound):
        finished(answers)
    node = duel.nodes[0]
    assert node is not None
    assert node.message.content.startswith("1")
    made = node.message.generation
    assert made is not None
    assert (made.finish_reason, made.thinking, made.parameters.temperature) == (
        FinishReason.ERROR,
        False,
        0.5,
    )
    loading.close()


def test_without_room_for_a_twin_the_chats_own_engine_answers_twice(asked: Session) -> None:
    """The choice is the same; the answers only come one after the other."""

    def refuse(*_: object) -> None:
        raise ModelError("no room")

    asked.engine.open_engine = refuse  # type: ignore[assignment]
    twin = Twin(asked.engine, SCRIPTED)
    duel = Duel(asked, [(SCRIPTED, asked.engine), (SCRIPTED, twin)])
    events = finished(duel.start())
    assert [said.lane for said in events if isinstance(said.event, Finished)] == [0, 1]
    twin.close()


def test_there_must_be_a_message_to_answer(session: Session) -> None:
    """One line says so."""
    with pytest.raises(UsageError, match="no message to answer yet"):
        Duel(session, [(SCRIPTED, session.engine)])


def test_a_model_against_itself_with_an_adapter(store: TranscriptStore, tmp_path: Path) -> None:
    """The same weights, loaded twice; only one answer is the adapter's, and its record says so."""
    model = tiny_models.write_llama(tmp_path / "tiny.gguf")
    adapter = tiny_models.write_adapter(tmp_path / "adapter.gguf")

    def open_tiny(_settings: Settings, _cancel: object, _progress: object) -> LlamaEngine:
        return LlamaEngine.open(model, LoadOptions(use_extra_bufts=False))

    own = Contender(Settings(model="tiny"), {"temperature": 0.0, "max_tokens": 16})
    adapted = parse_contender([str(adapter), "scale=2"], own, "")
    with EngineSlot(open_tiny, own.settings) as slot:
        session = Session(slot, store, SessionOptions(sampling=own.sampling))
        list(session.send("hello"))
        for other in (adapted, own):
            supply = Twin(slot, own) if other is own else open_contender(other, slot.open_engine)
            duel = Duel(session, [(own, slot), (other, supply)])
            list(duel.start())
            one, two = (node.message for node in duel.nodes if node is not None)
            assert one.generation is not None
            assert two.generation is not None
            assert (one.content == two.content) is (other is own)
            assert one.generation.model.adapter == ""
            hashed = hashlib.sha256(adapter.read_bytes()).hexdigest()
            assert two.generation.model.adapter == ("" if other is own else hashed)
            assert two.generation.model.adapter_scale == (1.0 if other is own else 2.0)
            if other is own:  # the twin began with what the first engine had read
                assert two.generation.usage.cached_tokens > 0
            supply.close()
        session.close()
