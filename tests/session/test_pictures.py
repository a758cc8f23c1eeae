"""Pictures in a live chat: how they are read, what each gesture does with them, models that do not see."""

import gc
import os
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.chat.message import Picture
from chatcli.chat.pictures import MOST_BYTES
from chatcli.engine.base import Cancellation, Engine, Event, Progress, Unseen
from chatcli.engine.scripted.engine import ScriptedEngine
from chatcli.errors import ChatcliError, DataError, ModelError, UsageError
from chatcli.session.answering import UNSEEN
from chatcli.session.arena.contenders import Contender
from chatcli.session.arena.duel import Duel
from chatcli.session.attachments import MOST_PICTURES, read_files, read_pictures
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.session import Session
from chatcli.settings import Settings
from chatcli.storage.transcripts.store import TranscriptStore
from tests.pictures import bytes_of, picture, picture_bytes, picture_file


class Blind(ScriptedEngine):
    """Reads text only."""

    no_vision_reason = "it has no eyes"


def open_engine(settings: Settings, _cancel: Cancellation, _progress: Progress) -> Engine:
    """``blind`` does not see; ``scripted:`` does."""
    return Blind(name="blind") if settings.model == "blind" else ScriptedEngine.open(settings.model)


@pytest.fixture
def session(store: TranscriptStore) -> Iterator[Session]:
    """A chat in which nothing has been said."""
    with EngineSlot(open_engine, Settings(model="scripted:")) as slot:
        session = Session(slot, store)
        yield session
        session.close()


def shown(session: Session) -> list[list[str]]:
    """The names of the pictures of each message on the path, as the transcript has them too."""
    assert session.transcript is not None
    there = TranscriptStore(session.transcript.parents[2]).read(session.conversation.id).conversation
    assert there.messages() == session.conversation.messages()
    assert all(bytes_of(p) for p in there.pictures)
    return [[p.name for p in message.pictures] for message in there.messages()]


def test_pictures_are_read_whole_when_they_are_attached(tmp_path: Path) -> None:
    """What becomes of the file afterwards does not matter; the name has no folders."""
    file = picture_file(tmp_path / "photos" / "my cat.png")
    (found,) = read_pictures([str(file)])
    file.unlink()
    assert found.name == "my cat.png"
    assert bytes_of(found) == picture_bytes()


def test_of_folders_and_patterns_the_pictures_are_taken(tmp_path: Path) -> None:
    """Each content once, in order; other files, hidden ones too, are passed over."""
    for name, color in {"b.png": "red", "a.PNG": "blue", "sub/c.jpeg": "green", "d.png": "red"}.items():
        picture_file(tmp_path / name, color)
    (tmp_path / "notes.txt").write_text("text")
    picture_file(tmp_path / ".hidden.png", "black")
    assert [p.name for p in read_pictures([str(tmp_path)])] == ["a.PNG", "d.png", "c.jpeg"]
    assert [p.name for p in read_pictures([f"{tmp_path}/?.png", f"{tmp_path}/b.png"])] == ["b.png"]


def test_a_fifo_and_standard_input_are_read(tmp_path: Path) -> None:
    """``-i <(command)`` and ``-i -`` work; nothing on standard input is said."""
    reader, writer = os.pipe()
    os.write(writer, picture_bytes())
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        assert bytes_of(read_pictures([f"/dev/fd/{reader}"])[0]) == picture_bytes()
        with pytest.raises(DataError, match="stdin is no picture"):
            read_pictures(["-"], stream)
    with pytest.raises(UsageError, match="piped in"):
        read_pictures(["-"])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.write_text("hello"), "no picture of a known format"),
        (lambda p: p.touch(), "no picture of a known format"),
        (lambda p: p.write_bytes(picture_bytes(size=(200, 200))[:200]), "damaged picture"),
        (lambda p: p.open("wb").truncate(MOST_BYTES + 1), "more than 64 MiB"),
        (lambda p: p.mkdir(), "no picture found"),
        (lambda p: p.symlink_to("/dev/zero"), "is not a file"),
        (
            lambda p: [picture_file(p / f"{n}.png") for n in range(MOST_PICTURES + 1)],
            "at most 16 pictures, not 17",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_cannot_be_attached_is_said_at_once(tmp_path: Path, make: object, words: str) -> None:
    """One line says which file and why; nothing is taken, the good ones neither."""
    good, path = picture_file(tmp_path / "good.png"), tmp_path / "thing.png"
    make(path)  # type: ignore[operator]
    with pytest.raises(ChatcliError, match=words) as caught:
        read_pictures([str(good), str(path)])
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value) or "17" in words


def test_a_picture_among_text_files_is_pointed_the_right_way(tmp_path: Path) -> None:
    """``/read cat.png`` says what takes pictures."""
    with pytest.raises(UsageError, match=r"is a picture; attach it with /image"):
        read_files([str(picture_file(tmp_path / "cat.png"))])


def test_every_gesture_keeps_the_pictures(session: Session, store: TranscriptStore) -> None:
    """They are on disk when ``send`` returns; regenerated, edited, forked, resumed they are there."""
    cat, dog = picture(), picture("dog.png", "blue")
    answer = session.send("look", [cat, dog])
    assert len(list(store.folder.rglob("*.pictures/*.png"))) == 2
    list(answer)
    assert shown(session) == [["cat.png", "dog.png"], []]
    assert session.conversation.path()[-1].message.content.startswith(
        "I see cat.png, 30 x 20 pixels. I see dog.png"
    )
    list(session.regenerate())
    assert "I see cat.png" in session.conversation.path()[-1].message.content
    list(session.edit_question(1, "look again"))
    assert shown(session) == [["cat.png", "dog.png"], []]
    assert "dog.png, 30 x 20 pixels" in session.conversation.path()[-1].message.content
    name = session.conversation.id
    session.fork()
    list(session.send("", [picture("bird.png", "green")]))
    assert shown(session) == [["cat.png", "dog.png"], [], ["bird.png"], []]
    session.open(name)
    assert session.undo().pictures == (cat, dog)


def test_a_preview_counts_pictures(session: Session) -> None:
    """Nothing is kept."""
    without, with_one = session.preview("look"), session.preview("look", [picture()])
    assert len(with_one.tokens) == len(without.tokens) + 64
    assert session.transcript is None


def test_a_model_that_does_not_see_is_shown_nothing_new(session: Session, store: TranscriptStore) -> None:
    """Neither sent nor previewed; why and what to do is said, and nothing was written."""
    session.switch(Settings(model="blind"))
    for gesture in (session.send, session.preview):
        with pytest.raises(ModelError, match=r"blind cannot see cat\.png: it has no eyes; .*--mmproj"):
            gesture("look", [picture()])
    assert not len(session.conversation)
    assert not store.folder.exists()
    list(session.send("then words only"))
    assert session.came


def unseen(events: Iterator[Event]) -> list[Unseen]:
    """What the model was told the names of only."""
    return [event for event in events if isinstance(event, Unseen)]


def test_what_a_model_did_not_see_is_said_once_and_noted_always(
    session: Session, store: TranscriptStore
) -> None:
    """Once in a chat of a model and a reason; each of the answers says how many there were."""
    list(session.send("look", [picture()]))
    name = session.conversation.id
    session.start_over()
    (file,) = store.folder.rglob("*.pictures/*")
    file.unlink()
    session.open(name)
    (said,) = unseen(iter(session.send("and now?")))
    assert said.names == ("cat.png",)
    assert "cat.png is missing" in str(said)
    assert session.conversation.path()[-1].extra == {UNSEEN: "1"}
    assert not unseen(iter(session.regenerate()))
    assert session.conversation.path()[-1].extra == {UNSEEN: "1"}
    session.switch(Settings(model="scripted:context=2000"))
    assert unseen(iter(session.send("another model")))
    session.start_over()
    session.open(name)
    assert unseen(iter(session.send("opened again")))
    assert not unseen(iter(session.send("attached again", [picture("same.png")])))
    assert session.conversation.path()[-1].extra == {}


def test_a_duel_needs_two_that_see(session: Session) -> None:
    """One that does not is refused before anybody has said a word; without pictures it takes part."""
    with EngineSlot(open_engine, Settings(model="blind")) as other:
        entrants = [
            (Contender(session.engine.settings), session.engine),
            (Contender(other.settings), other),
        ]
        list(session.send("words"))
        list(Duel(session, entrants).start())
        list(session.send("look", [picture()]))
        before = list(session.conversation.nodes)
        with pytest.raises(ModelError, match=r"blind cannot see cat\.png"):
            list(Duel(session, entrants).start())
        assert list(session.conversation.nodes) == before
        session.undo()
        assert len(list(Duel(session, entrants).start())) > 2


def test_a_picture_nobody_knows_of_is_named(session: Session) -> None:
    """A message may come from somewhere that has no bytes for it; the chat goes on."""
    stranger = Picture("0" * 64, "stranger.png")
    (said,) = unseen(iter(session.send("look", [stranger])))
    assert said.names == ("stranger.png",)
    assert "[picture: stranger.png]\nlook" in session.conversation.path()[-1].message.content


def test_what_was_sent_is_held_on_the_disk_only(session: Session) -> None:
    """Photos have megabytes, and a chat may have hundreds."""

    class Reader:
        def __call__(self) -> bytes:
            return picture_bytes()

    reader = Reader()
    sent = [replace(picture(), read=reader)]
    list(session.send("look", sent))
    list(session.send("and now"))
    held = weakref.ref(reader)
    del reader, sent
    gc.collect()
    assert held() is None
    assert [bytes_of(p) for p in session.conversation.pictures] == [picture_bytes()]
