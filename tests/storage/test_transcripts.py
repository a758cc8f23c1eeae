"""The transcripts folder: what is on disk when, who may write, and how a conversation is found again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.message import Message, Role, assistant, system, user
from chatcli.errors import ConversationBusy, StorageError, TranscriptError, UsageError
from chatcli.storage.transcripts import layout
from chatcli.storage.transcripts.store import NoTranscripts, TranscriptStore
from tests.files.test_durable import file_size_limit, mode_of, umask


@pytest.fixture
def store(tmp_path: Path) -> TranscriptStore:
    """An empty folder of transcripts."""
    return TranscriptStore(tmp_path / "transcripts")


def write(store: TranscriptStore, *contents: str, title: str = "") -> Conversation:
    """A closed conversation of alternating speakers."""
    conversation, log = store.create(title=title)
    for number, content in enumerate(contents):
        log.append(conversation.append(assistant(content) if number % 2 else user(content)))
    log.close()
    return conversation


def files(folder: Path) -> list[Path]:
    """All files below a folder."""
    return sorted(p for p in folder.rglob("*") if p.is_file())


def test_nothing_is_on_disk_before_the_first_message(store: TranscriptStore) -> None:
    """Starting, naming and leaving an empty chat leaves no file and no folder."""
    _, log = store.create(title="empty")
    log.rename("still empty")
    log.move_head(None)
    log.close()
    assert not store.folder.exists()


def test_each_message_is_on_disk_when_append_returns(store: TranscriptStore) -> None:
    """Another process reads every message at once, while the chat is open."""
    conversation, log = store.create()
    for message in (system("Be brief."), user("Hello?"), assistant("Hi!"), user("</user>\0\r\n<user id=")):
        log.append(conversation.append(message))
        assert store.read(conversation.id).conversation == conversation
    log.close()


def test_transcripts_are_private_whatever_the_umask(store: TranscriptStore) -> None:
    """Files 0600, folders 0700."""
    with umask(0):
        write(store, "secret")
    assert [mode_of(f) for f in files(store.folder)] == [0o600]
    assert {mode_of(f) for f in store.folder.rglob("*") if f.is_dir()} | {mode_of(store.folder)} == {0o700}


def test_going_on_with_a_conversation(store: TranscriptStore) -> None:
    """What is appended after opening again follows what was there; branches, head and title survive."""
    first = write(store, "one", "two")
    conversation, log, problems = store.open(first.id)
    assert conversation == first
    assert problems == ()
    log.append(conversation.append(user("three")))
    log.append(conversation.append(assistant("two again"), parent=1))
    conversation.move_head(2)
    log.move_head(2)
    log.rename("A tree")
    log.close()
    again = store.read(first.id).conversation
    assert again == conversation
    assert again.title == "A tree"
    assert again.head == 2
    assert [n.message.content for n in again.siblings(2)] == ["two", "two again"]


@pytest.mark.parametrize("cut", range(1, 54))
def test_a_torn_tail_is_reported_and_the_next_append_succeeds(store: TranscriptStore, cut: int) -> None:
    """The last message is cut anywhere: it is reported, the earlier ones are there, and the chat goes on."""
    conversation = write(store, "one", "two", "a longer third message, ends here")
    path = store.path(conversation.id)
    path.write_bytes(path.read_bytes()[:-cut])
    opened, log, problems = store.open("last")
    assert len(problems) == (0 if cut == 1 else 1)  # only the newline is missing
    kept = [n.message.content for n in opened.nodes]
    assert kept[:2] == ["one", "two"]
    log.append(opened.append(user("after </user> the crash")))
    log.close()
    again = store.read(conversation.id)
    assert [n.message.content for n in again.conversation.nodes] == [*kept, "after </user> the crash"]
    assert again.conversation == opened


def test_a_full_disk_costs_nothing_that_was_written(store: TranscriptStore) -> None:
    """A message that does not fit is refused; the file is as before, and the next one is written."""
    conversation, log = store.create()
    log.append(conversation.append(user("fits")))
    before = files(store.folder)[0].read_bytes()
    with file_size_limit(4096), pytest.raises(StorageError):
        log.append(conversation.append(user("x" * 9000)))
    assert files(store.folder)[0].read_bytes() == before
    log.append(conversation.append(user("fits again"), parent=1))
    log.close()
    assert store.read("last").conversation.messages() == [user("fits"), user("fits again")]


def test_a_first_message_that_cannot_be_written_leaves_no_file(store: TranscriptStore) -> None:
    """... and the same log can be tried again."""
    conversation, log = store.create()
    node = conversation.append(user("x" * 9000))
    with file_size_limit(4096), pytest.raises(StorageError):
        log.append(node)
    assert files(store.folder) == []
    log.append(node)
    log.close()
    assert store.read("last").conversation == conversation


OPENER = """
import sys
from pathlib import Path
from chatcli.storage.transcripts.store import TranscriptStore
store = TranscriptStore(Path(sys.argv[1]))
opened = store.open("last")
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other_chatcli(store: TranscriptStore) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has the only conversation open for writing."""
    write(store, "one", "two")
    arguments = [sys.executable, "-c", OPENER, str(store.folder)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield process
        process.kill()


def test_the_second_writer_is_told_and_readers_are_not_disturbed(
    store: TranscriptStore, other_chatcli: subprocess.Popen[bytes]
) -> None:
    """One writer at a time; after SIGKILL of the first the conversation can be opened."""
    name = store.resolve("last")
    for action in (store.open, store.remove):
        with pytest.raises(ConversationBusy) as caught:
            action("last")
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    assert len(store.read("last").conversation) == 2
    other_chatcli.kill()
    other_chatcli.wait()
    store.open("last").log.close()


def test_a_log_that_is_closed_refuses(store: TranscriptStore) -> None:
    """Nothing is written after the lock is gone."""
    conversation, log = store.create()
    log.append(conversation.append(user("one")))
    log.close()
    log.close()
    with pytest.raises(StorageError, match="closed"):
        log.append(conversation.append(user("two")))


def test_a_bare_file_from_elsewhere_is_a_conversation(store: TranscriptStore) -> None:
    """It is read as it is, only the first write puts it into our form, and the original stays beside it."""
    bare = b"<user>Hello?</user>\r\n\r\n<bot>Hi there!</bot>"
    (store.folder / "from a friend").mkdir(parents=True)
    path = store.folder / "from a friend" / "chat one.txt"
    path.write_bytes(bare)
    assert list(layout.names(store.folder)) == ["from a friend/chat one"]
    conversation, log, problems = store.open("from a friend/chat one")
    log.close()
    assert problems == ()
    assert path.read_bytes() == bare
    conversation, log, _ = store.open("from a")
    log.append(conversation.append(user("More")))
    log.append(conversation.append(assistant("Sure")))
    log.close()
    again = store.read("from a friend/chat one").conversation
    assert again == conversation
    assert again.assistant == "bot"
    assert [m.content for m in again.messages()] == ["Hello?", "Hi there!", "More", "Sure"]
    assert [f.read_bytes() for f in files(path.parent) if f != path] == [bare]
    store.remove("from a friend/chat one")
    assert files(store.folder) == []


def test_a_damaged_file_is_located_and_can_be_repaired(store: TranscriptStore) -> None:
    """Opening names file, line and column; with repair the rest is saved and the damaged file kept."""
    conversation = write(store, "one", "two")
    path = store.path(conversation.id)
    damaged = path.read_bytes() + b"what is this?\n<user>three</user>\n"
    path.write_bytes(damaged)
    with pytest.raises(TranscriptError, match=rf"{path}:4:1: "):
        store.open("last")
    opened, log, problems = store.open("last", repair=True)
    assert [p.line for p in problems] == [4]
    log.append(opened.append(assistant("four")))
    log.close()
    again = store.open("last")
    again.log.close()
    assert again.problems == ()
    assert [m.content for m in again.conversation.messages()] == ["one", "two", "three", "four"]
    assert damaged in [f.read_bytes() for f in files(store.folder)]


def test_references(store: TranscriptStore) -> None:
    """A name, the beginning of a name or of its last part, a title, last; anything else is explained."""
    old, new = write(store, "old"), write(store, "new")
    assert store.resolve(old.id) == old.id
    for length in range(len(old.id) - 4, len(old.id)):
        assert store.resolve(new.id[: length + 1]) == new.id
    assert store.resolve(new.id[-5:]) == new.id
    assert store.resolve("last") in {old.id, new.id}
    with pytest.raises(UsageError) as caught:
        store.resolve("20")
    assert old.id in str(caught.value)
    assert new.id in str(caught.value)
    for nonsense in ("", "nothing", "../" + old.id, "/etc/passwd", "\0", "x" * 5000):
        with pytest.raises(UsageError):
            store.resolve(nonsense)
    titled = TranscriptStore(store.folder, lambda title: [old.id] if title == "The old one" else [])
    assert titled.resolve("The old one") == old.id


def test_last_is_the_one_written_last(store: TranscriptStore) -> None:
    """Going on with an old conversation makes it the last one; an empty file never is."""
    old, _ = write(store, "old"), write(store, "new")
    for path in store.folder.rglob("*.txt"):
        os.utime(path, (1, 1))  # the clock of a file system may stand still between two writes
    conversation, log, _ = store.open(old.id)
    log.append(conversation.append(assistant("answer")))
    log.close()
    (store.folder / "empty.txt").touch()
    assert store.resolve("last") == old.id


def test_last_of_none_is_explained(store: TranscriptStore) -> None:
    """No folder yet."""
    with pytest.raises(UsageError, match="no conversation yet"):
        store.resolve("last")


def test_names_sort_by_time_and_do_not_collide(store: TranscriptStore) -> None:
    """Ids of later seconds sort later; a name that is taken is drawn again."""
    moments = [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)]
    ids = [layout.new_id(m) for m in moments for _ in range(50)]
    assert len(set(ids)) == 100
    assert sorted(i[:15] for i in ids) == [i[:15] for i in ids]
    taken = write(store, "first")
    conversation, log = store.create()
    conversation.id = taken.id
    log.append(conversation.append(user("second")))
    log.close()
    assert conversation.id != taken.id
    assert store.read(conversation.id).conversation == conversation
    assert store.read(taken.id).conversation == taken


def test_adding_a_conversation_from_elsewhere(store: TranscriptStore) -> None:
    """An import keeps tree, head and time; it gets an id, lies in the month it began, and can go on."""
    foreign = Conversation("theirs", datetime(2024, 2, 3, tzinfo=UTC), "Imported", "gpt")
    for message in (user("a"), assistant("b"), Message(Role.ASSISTANT, "c", "thought")):
        foreign.append(message, parent=None if message.role is Role.USER else 1)
    foreign.move_head(2)
    log = store.add(foreign)
    log.append(foreign.append(user("more")))
    log.close()
    assert foreign.id.startswith("20240203-000000-")
    assert store.path(foreign.id).parent == store.folder / "2024" / "02"
    assert store.read(foreign.id).conversation == foreign
    with pytest.raises(UsageError):
        store.add(Conversation())


def test_removing_really_removes(store: TranscriptStore) -> None:
    """File and empty folder are gone."""
    conversation = write(store, "one")
    assert store.remove("last") == conversation.id
    assert files(store.folder) == []
    with pytest.raises(UsageError):
        store.open(conversation.id)


def test_no_log_leaves_no_trace(tmp_path: Path) -> None:
    """The store that keeps nothing touches no file."""
    conversation, log = NoTranscripts(TranscriptStore(tmp_path)).create(assistant="bot")
    for content in ("marker-7391", "marker-7392"):
        log.append(conversation.append(user(content)))
    log.rename("marker-7393")
    log.move_head(1)
    log.close()
    assert len(conversation) == 2
    assert conversation.assistant == "bot"
    assert list(tmp_path.rglob("*")) == []
