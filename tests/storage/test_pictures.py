"""The pictures of conversations: on disk before what shows them, found again, proved when read."""

import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.message import Message, Picture, Role, assistant, user
from chatcli.errors import StorageError
from chatcli.storage.index.index import TranscriptIndex
from chatcli.storage.transcripts import layout
from chatcli.storage.transcripts.log import TranscriptLog
from chatcli.storage.transcripts.pictures import PictureFolder
from chatcli.storage.transcripts.store import NoTranscripts, TranscriptStore
from tests.files.test_durable import file_size_limit, mode_of, umask
from tests.files.test_kill import Verdict, Writer, torture
from tests.pictures import FORMATS, bytes_of, picture, picture_bytes
from tests.storage.picture_appender import survivors

NOISE = os.urandom(20_000)
LARGE = Picture("f" * 64, "large.png", lambda: NOISE)


@pytest.fixture
def store(tmp_path: Path) -> TranscriptStore:
    """An empty folder of transcripts."""
    return TranscriptStore(tmp_path / "transcripts")


def written(store: TranscriptStore, *messages: Message) -> Conversation:
    """A closed conversation."""
    conversation, log = store.create()
    for message in messages:
        log.append(conversation.append(message))
    log.close()
    return conversation


def kept(store: TranscriptStore) -> list[Path]:
    """The files of all pictures."""
    return sorted(p for p in store.folder.rglob("*.pictures/*"))


@pytest.mark.parametrize(("kind", "suffix"), FORMATS)
def test_a_picture_lies_beside_its_transcript(store: TranscriptStore, kind: str, suffix: str) -> None:
    """Under the hash of its content, with the suffix of its format whatever it was called, for its owner."""
    shown = picture("a.b", kind=kind)
    with umask(0):
        conversation = written(store, user("look", shown))
    path = store.path(conversation.id)
    file = path.parent / f"{conversation.id}.pictures" / f"{shown.sha256}{suffix}"
    assert kept(store) == [file]
    assert file.read_bytes() == bytes_of(shown)
    assert (mode_of(file), mode_of(file.parent)) == (0o600, 0o700)


def test_each_content_is_written_once(store: TranscriptStore) -> None:
    """However often it is shown, and under whatever names; a file that was damaged is put back."""
    conversation, log = store.create()
    log.append(conversation.append(user("one", picture("a.png"), picture("b.png", "blue"))))
    files = {file: file.stat().st_ino for file in kept(store)}
    log.append(conversation.append(user("two", picture("c.png"), picture("d.png", "blue"))))
    assert {file: file.stat().st_ino for file in kept(store)} == files
    kept(store)[0].write_bytes(b"damaged")
    log.append(conversation.append(user("three", picture("a.png"), picture("b.png", "blue"))))
    log.close()
    read = store.read("last").conversation
    assert [bytes_of(p) for p in read.path()[-1].message.pictures] == [
        picture_bytes(),
        picture_bytes("blue"),
    ]


def test_pictures_are_found_again(store: TranscriptStore) -> None:
    """Going on, reading only, and with nothing being written: on every branch."""
    written(store, user("one", picture()), assistant("red"), user("two", picture("b.png", "blue")))
    opened = store.open("last")
    opened.log.close()
    for conversation in (
        opened.conversation,
        store.read("last").conversation,
        NoTranscripts(store).open("last").conversation,
    ):
        assert [bytes_of(p) for p in conversation.pictures] == [picture_bytes(), picture_bytes("blue")]


@pytest.mark.parametrize("how", ["removed", "changed", "folder"])
def test_what_is_not_the_picture_is_not_shown(store: TranscriptStore, how: str) -> None:
    """The words are read all the same; reading the picture is one line that names it."""
    written(store, user("look", picture("the\ncat.png")))
    (file,) = kept(store)
    if how == "changed":
        file.write_bytes(picture_bytes("blue"))
    else:
        file.unlink()
        if how == "folder":
            file.mkdir()
    conversation = store.read("last").conversation
    assert conversation.messages()[0].content == "look"
    with pytest.raises(StorageError, match=r"the picture 'the\\ncat.png'") as caught:
        bytes_of(conversation.pictures[0])
    assert "\n" not in str(caught.value)


def test_a_picture_that_cannot_be_written_costs_nothing(store: TranscriptStore) -> None:
    """Neither a first message nor a later one leaves anything; the same can be tried again."""
    conversation, log = store.create()
    node = conversation.append(user("look", picture(), LARGE))
    with file_size_limit(8192), pytest.raises(StorageError):
        log.append(node)
    assert list(store.folder.rglob("*.*")) == []
    log.append(node)
    before = store.path(conversation.id).read_bytes(), kept(store)
    more = conversation.append(user("more", picture("b.png", "blue"), Picture("e" * 64, "x", lambda: NOISE)))
    with file_size_limit(8192), pytest.raises(StorageError):
        log.append(more)
    assert (store.path(conversation.id).read_bytes(), kept(store)) == before
    log.append(more)
    log.close()
    assert store.read("last").conversation == conversation


def test_words_that_cannot_be_written_take_their_pictures_back(store: TranscriptStore) -> None:
    """A message is there with its pictures or not at all."""
    conversation, log = store.create()
    log.append(conversation.append(user("one", picture())))
    before = kept(store)
    with file_size_limit(4096), pytest.raises(StorageError):
        log.append(conversation.append(user("x" * 9000, picture("b.png", "blue"))))
    log.close()
    assert kept(store) == before


def test_removing_a_conversation_removes_its_pictures(store: TranscriptStore) -> None:
    """And nobody else's."""
    written(store, user("look", picture()))
    store.remove("last")
    assert list(store.folder.rglob("*.*")) == []
    one = written(store, user("look", picture()))
    other = written(store, user("look", picture()))
    store.remove(one.id)
    assert [file.parent.name for file in kept(store)] == [f"{other.id}.pictures"]


def test_a_copy_has_its_own_pictures(store: TranscriptStore) -> None:
    """What was kept elsewhere is kept again, and read from there; what nobody has stays a name."""
    written(store, user("look", picture(), picture("gone.png", "blue")))
    original = store.read("last").conversation
    PictureFolder(store.path(original.id)).read(original.pictures[0])
    next(f for f in kept(store) if f.name.startswith(original.pictures[1].sha256)).unlink()
    copy = Conversation("", original.started)
    for message in original.messages():
        copy.append(message)
    store.add(copy).close()
    store.remove(original.id)
    assert bytes_of(copy.pictures[0]) == picture_bytes()
    again = store.read(copy.id).conversation
    assert again.pictures == original.pictures
    assert bytes_of(again.pictures[0]) == picture_bytes()
    with pytest.raises(StorageError, match=r"gone\.png is missing"):
        bytes_of(again.pictures[1])


def test_a_name_that_is_taken_keeps_its_pictures(store: TranscriptStore) -> None:
    """Two chats that drew the same name within a second: the second one's pictures go where it goes."""
    first = written(store, user("look", picture()))
    second = Conversation(first.id, first.started)
    log = TranscriptLog(store.folder, second)
    log.append(second.append(user("me too", picture("b.png", "blue"))))
    log.close()
    assert second.id != first.id
    assert store.read(first.id).conversation.pictures == [picture()]
    assert bytes_of(store.read(second.id).conversation.pictures[0]) == picture_bytes("blue")
    assert sorted(file.parent.name for file in kept(store)) == sorted(
        f"{c.id}.pictures" for c in (first, second)
    )


def test_pictures_are_no_conversations(store: TranscriptStore, tmp_path: Path) -> None:
    """Whatever lies in their folder, lists and the search index do not look into it."""
    conversation = written(store, user("look", picture()))
    (kept(store)[0].parent / "note.txt").write_text("<user>hidden words</user>")
    assert list(layout.names(store.folder)) == [conversation.id]
    with closing(TranscriptIndex(store.folder, tmp_path / "index")) as index:
        assert [s.name for s in index.newest(None)] == [conversation.id]
        assert index.search("hidden", count=5) == []
        assert [hit.message for hit in index.search("cat.png", count=5)] == [1]


def test_a_chat_without_words_is_called_after_its_picture(store: TranscriptStore, tmp_path: Path) -> None:
    """In lists; words come first where there are any."""
    written(store, user("", picture()))
    with closing(TranscriptIndex(store.folder, tmp_path / "index")) as index:
        assert [s.title for s in index.newest(None)] == ["[picture: cat.png]"]


def test_a_file_that_is_written_anew_keeps_its_pictures(store: TranscriptStore) -> None:
    """A transcript from elsewhere, with its pictures beside it, is gone on with; so is a damaged one."""
    written(store, user("look", picture()), assistant("red"))
    path = store.folder / "mine.txt"
    text = store.path(store.resolve("last")).read_text()
    path.write_text(text[text.index("<user") :] + "damage\n")
    shutil.copytree(kept(store)[0].parent, store.folder / "mine.pictures")
    conversation, log, _ = store.open("mine", repair=True)
    log.append(conversation.append(Message(Role.USER, "and now?", pictures=(picture("b.png", "blue"),))))
    log.close()
    again = store.read("mine").conversation
    assert [bytes_of(p) for p in again.pictures] == [picture_bytes(), picture_bytes("blue")]


def judge(log: Path, writers: list[Writer]) -> Verdict:
    """Compare a transcript and its pictures with what was acknowledged."""
    found = dict(survivors(log))
    lost = sum(f"{w.name} {n}" not in found for w in writers for n in w.acknowledged)
    return Verdict(lost, torn=0, merged=sum(not whole for whole in found.values()))


def test_kills_leave_no_message_without_its_picture(tmp_path: Path) -> None:
    """Over 20 SIGKILLs every acknowledged message is there, and whatever is there has its picture."""
    verdict, writers = torture(
        tmp_path / "log", 20, "kept", program="tests.storage.picture_appender", judge=judge
    )
    assert sum(len(w.acknowledged) for w in writers) > 0
    assert verdict.lost == 0
    assert verdict.merged == 0, "messages without their picture"


@pytest.mark.skipif(os.name == "nt", reason="no named pipes")
@pytest.mark.parametrize(
    ("what", "why"),
    [("pipe", "it is a pipe"), ("device", "not a regular file"), ("folder", "it is a folder, not a file")],
)
def test_what_is_no_file_is_not_read(store: TranscriptStore, what: str, why: str) -> None:
    """In a folder from elsewhere anything may have a picture's name, of which there is no end."""
    conversation = written(store, user("Look", picture()))
    [file] = kept(store)
    file.unlink()
    if what == "pipe":
        os.mkfifo(file)
    elif what == "device":
        file.symlink_to("/dev/zero")
    else:
        file.mkdir()
    [shown] = store.read(conversation.id).conversation.pictures
    with pytest.raises(StorageError, match=rf"the picture cat\.png,.*{why}"):
        bytes_of(shown)
