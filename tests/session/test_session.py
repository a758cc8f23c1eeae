"""A live chat: what each gesture does to the tree, and what the file says afterwards."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.chat.message import FinishReason, Role
from chatcli.chat.transcript.reader import load
from chatcli.engine.base import TextDelta
from chatcli.errors import ModelError, StorageError, UsageError
from chatcli.session.answering import CONTINUES, EDITS, FORK_OF, SessionOptions
from chatcli.session.background import BackgroundAnswer
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.session import Session
from chatcli.settings import Settings
from chatcli.storage.state_cache import StateCache
from chatcli.storage.transcripts.partial import journal_path, read_part
from chatcli.storage.transcripts.store import NoTranscripts, TranscriptStore
from tests.session.conftest import open_scripted


def words(session: Session) -> list[str]:
    """What was said on the active path."""
    return [m.content for m in session.conversation.messages()]


def on_disk(session: Session) -> list[str]:
    """The same, as the transcript's file has it, which must agree in everything."""
    path = session.transcript
    assert path is not None
    loaded = load([path.read_bytes()])
    assert not loaded.torn
    there, here = loaded.conversation, session.conversation
    assert list(there.nodes) == list(here.nodes)
    assert there.head == here.head
    return [m.content for m in there.messages()]


def cut_after(answer: BackgroundAnswer, events: int) -> None:
    """Let an answer come so far, and stop it."""
    for _, _ in zip(range(events), answer, strict=False):
        pass
    answer.cancel()
    list(answer)


def test_an_exchange_is_written_as_it_happens(session: Session) -> None:
    """The question is on disk when ``send`` returns, the answer when it has ended."""
    answer = session.send("hi")
    path = session.transcript
    assert path is not None
    assert "hi" in path.read_text()
    list(answer)
    assert session.came
    assert on_disk(session) == ["hi", "I heard: hi"]


def test_regenerating_keeps_every_answer(session: Session) -> None:
    """Each answer has a seed of its own, also when a seed was set; the last one is gone on from."""
    session.options = SessionOptions(sampling={"seed": 7})
    list(session.send("hi"))
    list(session.regenerate())
    list(session.regenerate())
    last = session.conversation.path()[-1]
    answers = session.alternatives(last.id)
    seeds = [n.message.generation.parameters.seed for n in answers if n.message.generation]
    assert len(answers) == 3
    assert seeds[0] == 7
    assert 7 not in seeds[1:]
    assert answers[-1] is last
    session.select(answers[0].id)
    assert on_disk(session) == ["hi", answers[0].message.content]


def test_there_is_nothing_to_regenerate_at_first(session: Session) -> None:
    """Neither to regenerate, nor to continue, nor to undo, nor to fork."""
    for gesture in (session.regenerate, session.proceed, session.undo, session.fork):
        with pytest.raises(UsageError):
            gesture()


def test_a_stopped_answer_can_go_on(session: Session) -> None:
    """The whole answer stands next to its beginning, which is kept but no longer offered."""
    list(session.send("first"))
    session.engine.switch(Settings(model="scripted:delay=0.01"))
    cut_after(session.send("count to 40"), 12)
    begun = session.conversation.path()[-1]
    assert begun.message.generation is not None
    assert begun.message.generation.finish_reason is FinishReason.INTERRUPTED
    assert begun.message.content.startswith("1 2 3")
    list(session.proceed())
    whole = session.conversation.path()[-1]
    assert whole.message.content == " ".join(map(str, range(1, 41)))
    assert whole.parent == begun.parent
    assert whole.extra == {CONTINUES: str(begun.id)}
    assert session.alternatives(whole.id) == [whole]
    assert begun in session.conversation.nodes
    on_disk(session)
    with pytest.raises(UsageError, match="is complete"):
        session.proceed()


@pytest.mark.parametrize("thinking", [None, True, False])
def test_an_answer_says_whether_reasoning_was_asked_for(
    session: Session, store: TranscriptStore, thinking: bool | None
) -> None:
    """While it comes, in the journal, and when it has ended, in the transcript."""
    session.options = replace(session.options, thinking=thinking)
    session.engine.switch(Settings(model="scripted:delay=0.01"))
    answer = session.send("count to 400")
    next(event for event in answer if isinstance(event, TextDelta))
    part = read_part(journal_path(store.folder, session.conversation.id))
    assert part is not None
    answer.cancel()
    list(answer)
    on_disk(session)
    for node in (part.node, session.conversation.path()[-1]):
        assert node.message.generation is not None
        assert node.message.generation.thinking is thinking


def test_going_on_may_be_stopped_too(session: Session) -> None:
    """A second part can be cut and continued like the first."""
    session.engine.switch(Settings(model="scripted:delay=0.01"))
    cut_after(session.send("count to 60"), 10)
    cut_after(session.proceed(), 10)
    list(session.proceed())
    assert words(session)[-1] == " ".join(map(str, range(1, 61)))
    assert len(session.alternatives(session.conversation.path()[-1].id)) == 1
    on_disk(session)


def test_stopped_before_the_first_word_nothing_happened(session: Session) -> None:
    """The question is kept in the file, but the chat is as before; so with a further answer."""
    list(session.send("hi"))
    before = words(session)
    session.engine.switch(Settings(model="scripted:delay=5"))
    for further in (False, True):
        answer = session.regenerate() if further else session.send("again")
        answer.cancel()
        list(answer)
        assert not session.came
        assert words(session) == before
        assert on_disk(session) == before


def test_a_model_that_cannot_be_loaded_leaves_the_chat_as_it_was(store: TranscriptStore) -> None:
    """The error comes with the answer; what was said can be said again."""
    with EngineSlot(open_scripted, Settings(model="scripted:/no/such/file")) as slot:
        session = Session(slot, store, SessionOptions(system="Be kind."))
        with pytest.raises(ModelError):
            list(session.send("hi"))
        assert not session.came
        assert words(session) == ["Be kind."]


def test_undo_returns_the_message(session: Session) -> None:
    """The exchange is off the path, not out of the tree."""
    list(session.send("one"))
    list(session.send("two"))
    assert session.undo().content == "two"
    assert on_disk(session) == ["one", "I heard: one"]
    assert len(session.conversation) == 4


def test_edits_are_siblings(session: Session) -> None:
    """An edited question is asked, an edited answer gone on from; the originals stay."""
    list(session.send("one"))
    list(session.send("two"))
    first = session.conversation.path()[0]
    list(session.edit_question(first.id, "ONE"))
    assert on_disk(session)[0] == "ONE"
    assert len(session.conversation.path()) == 2
    assert [n.message.content for n in session.alternatives(first.id)] == ["one", "ONE"]
    answer = session.conversation.path()[-1]
    session.edit_answer(answer.id, "mine")
    edited = session.conversation.path()[-1]
    assert (edited.message.content, edited.message.role) == ("mine", Role.ASSISTANT)
    assert edited.message.generation is None
    assert edited.extra == {EDITS: str(answer.id)}
    list(session.send("on"))
    assert on_disk(session)[:2] == ["ONE", "mine"]


def test_a_fork_is_a_conversation_of_its_own(session: Session, store: TranscriptStore) -> None:
    """It holds the path, knows where it came from, and what follows leaves the original alone."""
    list(session.send("one"))
    list(session.regenerate())
    original = session.conversation.id
    session.fork()
    list(session.send("two"))
    assert session.conversation.id != original
    assert session.conversation.extra[FORK_OF] == original
    assert on_disk(session)[0] == "one"
    assert len(session.conversation) == 4
    assert len(store.read(original).conversation) == 3


def test_another_system_prompt_holds_from_the_next_message(session: Session) -> None:
    """The transcript shows where it changed; the model is given the newest only, in front."""
    session.options = replace(session.options, system="A")
    list(session.send("one"))
    session.options = replace(session.options, system="B")
    list(session.send("two"))
    assert [m.content for m in session.conversation.messages() if m.role is Role.SYSTEM] == ["A", "B"]
    given = session.conversation.prompt_messages()
    assert [m.role for m in given] == [Role.SYSTEM, *[Role.USER, Role.ASSISTANT] * 2]
    assert given[0].content == "B"
    session.options = replace(session.options, system=None)
    list(session.send("three"))
    assert session.conversation.prompt_messages()[0].role is Role.USER
    assert session.preview("four").text.startswith("<user>one")
    on_disk(session)


def test_a_conversation_is_gone_on_with(session: Session, store: TranscriptStore) -> None:
    """Its words, its system prompt and its place are there again; the one before is let go."""
    session.options = replace(session.options, system="A")
    list(session.send("one"))
    first = session.conversation.id
    session.options = replace(session.options, system="B")
    session.start_over()
    list(session.send("other"))
    second = session.conversation.id
    session.open(first)
    assert session.options.system == "A"
    assert session.last is not None
    list(session.send("two"))
    assert on_disk(session) == ["A", "one", "I heard: one", "two", "You said: two"]
    with pytest.raises(UsageError, match="is already open"):
        session.open(first)
    store.open(second).log.close()  # nobody holds it any more


def test_a_new_chat_keeps_the_system_prompt(session: Session) -> None:
    """``start_over`` begins with the prompt of the options."""
    session.options = replace(session.options, system="A")
    list(session.send("one"))
    session.start_over()
    assert words(session) == []
    list(session.send("two"))
    assert on_disk(session)[0] == "A"


def test_a_full_disk_leaves_the_chat_as_it_was(session: Session) -> None:
    """A question that cannot be written is not sent; an answer that cannot be is written later."""
    list(session.send("one"))
    path = session.transcript
    assert path is not None
    before = words(session)
    aside = path.with_suffix(".aside")
    path.rename(aside)  # the log notices that its file is gone, and refuses
    with pytest.raises(StorageError):
        session.send("two")
    assert words(session) == before
    with pytest.raises(StorageError):
        session.undo()
    assert words(session) == before
    with pytest.raises(StorageError):
        list(session.regenerate())
    assert words(session)[-1] != before[-1]
    aside.rename(path)
    session.rename("late")
    list(session.send("three"))
    on_disk(session)


def test_without_transcripts_nothing_is_written(tmp_path: Path, store: TranscriptStore) -> None:
    """All gestures work, on a conversation that was read too, and the folder stays as it is."""
    with EngineSlot(open_scripted, Settings(model="scripted:")) as slot:
        kept = Session(slot, store)
        list(kept.send("one"))
        kept.close()
        name = kept.conversation.id
        files = {p: p.read_bytes() for p in tmp_path.rglob("*.txt")}
        session = Session(slot, NoTranscripts(store))
        session.open(name)
        list(session.send("two"))
        list(session.regenerate())
        session.fork()
        session.rename("x")
        session.undo()
        session.close()
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.txt")} == files


def test_a_model_that_cannot_be_loaded_gives_way_to_the_former(session: Session) -> None:
    """The chat goes on with the model it had."""
    list(session.send("one"))
    session.engine.switch(Settings(model="scripted:/no/such/file"))
    with pytest.raises(ModelError, match="going back to scripted:"):
        list(session.send("two"))
    assert session.engine.settings.model == "scripted:"
    list(session.send("two"))
    assert on_disk(session)[-2] == "two"


def test_ctrl_c_while_a_model_loads_is_prompt(store: TranscriptStore) -> None:
    """An answer that waits for the model can be stopped."""
    import threading

    release = threading.Event()

    def slow(settings: Settings, cancel: object, progress: object) -> object:
        release.wait(30)
        return open_scripted(settings, cancel, progress)  # type: ignore[arg-type]

    with EngineSlot(slow, Settings(model="scripted:")) as slot:  # type: ignore[arg-type]
        session = Session(slot, store)
        answer = session.send("hi")
        answer.cancel()
        started = time.monotonic()
        assert list(answer) == []
        assert time.monotonic() - started < 20
        assert not session.came
        release.set()
        list(session.send("hi"))
        assert session.came


def test_what_a_model_has_read_is_kept_while_another_one_is_looked_at(
    store: TranscriptStore, tmp_path: Path
) -> None:
    """Exchanging the model saves the state as leaving does; the model that comes back reads what is new."""
    long = " ".join(f"word{n}" for n in range(400))
    with EngineSlot(open_scripted, Settings(model="scripted:")) as slot:
        session = Session(slot, store, states=StateCache(tmp_path / "kv", 2**20))
        list(session.send(long))
        session.switch(Settings(model="scripted:context=5000"))
        session.engine()
        session.switch(Settings(model="scripted:"))
        list(session.send("more"))
        assert session.last is not None
        assert session.last.usage.cached_tokens > 800
        assert session.last.usage.decoded_tokens < 10
        session.switch(Settings(model="scripted:context=5000"))
        list(session.send("more"))
        assert session.last.usage.cached_tokens == 0
        session.close()


def test_a_damaged_place_is_reported_once(session: Session, store: TranscriptStore) -> None:
    """A conversation that is opened again says only what is new."""
    list(session.send("one"))
    name, file = session.conversation.id, session.transcript
    session.start_over()
    list(session.send("two"))
    other = session.conversation.id
    assert file is not None
    with file.open("ab") as tail:
        tail.write(b'<user id="3">torn')
    assert [problem.line for problem in session.open(name).problems] == [5]
    session.open(other)
    assert session.open(name).problems == ()
    list(session.send("three"))
    session.open(other)
    with file.open("ab") as tail:
        tail.write(b'<user id="9">again')
    assert len(session.open(name).problems) == 1


def test_short_chats_are_read_again_rather_than_kept(store: TranscriptStore, tmp_path: Path) -> None:
    """The state of few tokens is not worth a file."""
    with EngineSlot(open_scripted, Settings(model="scripted:")) as slot:
        session = Session(slot, store, states=StateCache(tmp_path / "kv", 2**20))
        list(session.send("hi"))
        session.close()
    assert not (tmp_path / "kv").exists()
