"""Answers whose process died: what had come is in the transcript when anybody looks again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Role, user
from chatcli.sampling import SamplingParams
from chatcli.storage.transcripts.log import TranscriptLog
from chatcli.storage.transcripts.partial import AnswerJournal, journal_path, journals, read_part
from chatcli.storage.transcripts.store import NoTranscripts, TranscriptStore
from tests.files.test_durable import mode_of, umask

ROOT = Path(__file__).parents[2]
GENERATION = Generation(
    ModelRef("m", "m.gguf", "ab" * 32), FinishReason.INTERRUPTED, SamplingParams(temperature=0.3, seed=7)
)


@pytest.fixture
def store(tmp_path: Path) -> TranscriptStore:
    """An empty folder of transcripts."""
    return TranscriptStore(tmp_path / "transcripts")


def begun(number: int = 2, parent: int | None = 1, *, content: str = "", **extra: str) -> Node:
    """An answer of which nothing has come."""
    return Node(number, parent, Message(Role.ASSISTANT, content, None, GENERATION), extra)


def asked(store: TranscriptStore) -> tuple[Conversation, TranscriptLog]:
    """A conversation with a question, open."""
    conversation, log = store.create()
    log.append(conversation.append(user("count")))
    return conversation, log


def left_behind(store: TranscriptStore, *words: str) -> Conversation:
    """A conversation whose process died while these words came."""
    conversation, log = asked(store)
    partial = log.answering(begun())
    assert partial is not None
    for word in words:
        partial.add(word)
        partial._next_write = 0.0  # the next word is written at once too
    partial.close()
    log.close()
    return conversation


def said(store: TranscriptStore, conversation: Conversation) -> list[str]:
    """What the transcript's file holds."""
    reader = TranscriptStore(store.folder)
    return [m.content for m in reader._load(conversation.id, repair=False).conversation.messages()]


def test_the_part_is_in_the_transcript_when_it_is_opened(store: TranscriptStore) -> None:
    """With its provenance, marked interrupted, once; the journal is gone and the chat goes on."""
    conversation = left_behind(store, "1", " 2", " 3")
    opened = store.open(conversation.id)
    answer = opened.conversation.path()[-1]
    assert answer.message == Message(Role.ASSISTANT, "1 2 3", None, GENERATION)
    assert (answer.id, answer.parent) == (2, 1)
    assert list(journals(store.folder)) == []
    opened.log.append(opened.conversation.append(user("go on")))
    opened.log.close()
    assert said(store, conversation) == ["count", "1 2 3", "go on"]
    again = store.open(conversation.id)
    assert again.conversation == opened.conversation
    again.log.close()


def test_reading_shows_the_part_and_writes_nothing(store: TranscriptStore) -> None:
    """A reader sees what opening would write; a conversation that is being answered has no part yet."""
    conversation = left_behind(store, "1", " 2")
    before = {p: p.read_bytes() for p in store.folder.rglob("*") if p.is_file()}
    for reading in (store.read(conversation.id).conversation, NoTranscripts(store).open("last").conversation):
        assert [m.content for m in reading.messages()] == ["count", "1 2"]
    assert {p: p.read_bytes() for p in store.folder.rglob("*") if p.is_file()} == before
    other, log = asked(store)
    partial = log.answering(begun())
    assert partial is not None
    partial.add("so far")
    assert [m.content for m in store.read(other.id).conversation.messages()] == ["count"]
    partial.discard()
    log.close()


def test_recovering_all_keeps_which_one_was_last(store: TranscriptStore) -> None:
    """Every conversation gets its part, at the time it was said; open ones are left alone."""
    first, second = left_behind(store, "one"), left_behind(store, "two")
    for number, conversation in enumerate((first, second)):
        os.utime(journal_path(store.folder, conversation.id), (1000 + number, 1000 + number))
    third, log = asked(store)
    os.utime(store.path(third.id), (2000, 2000))
    partial = log.answering(begun())
    assert partial is not None
    partial.add("it comes")
    assert sorted(store.recover()) == sorted([first.id, second.id])
    assert store.recover() == []
    assert said(store, first) == ["count", "one"]
    assert said(store, second) == ["count", "two"]
    assert store.resolve("last") == third.id
    assert len(list(journals(store.folder))) == 1
    partial.discard()
    log.close()
    assert list(journals(store.folder)) == []


def test_an_answer_that_was_written_leaves_nothing(store: TranscriptStore) -> None:
    """Also if the process died between writing the answer and removing the journal."""
    conversation = left_behind(store, "1", " 2")
    journal = journal_path(store.folder, conversation.id)
    content = journal.read_bytes()
    opened = store.open(conversation.id)
    opened.log.close()
    journal.write_bytes(content)
    assert len(store.read(conversation.id).conversation) == 2
    opened = store.open(conversation.id)
    assert len(opened.conversation) == 2
    assert not journal.exists()
    opened.log.close()


def test_a_transcript_that_was_edited_meanwhile_gets_the_words_all_the_same(store: TranscriptStore) -> None:
    """The id is taken by something else, or the question is gone: the part follows what is there."""
    conversation = left_behind(store, "1", " 2")
    path = store.path(conversation.id)
    path.write_text("<user>another</user>\n<lkjsxclm>answer</lkjsxclm>\n")
    opened = store.open(conversation.id)
    assert [n.message.content for n in opened.conversation.nodes] == ["another", "answer", "1 2"]
    opened.log.close()
    assert [n.message.content for n in store.read(conversation.id).conversation.nodes][-1] == "1 2"
    conversation = left_behind(store, "1")
    store.path(conversation.id).write_text("<system>alone</system>\n")
    partial = AnswerJournal(
        journal_path(store.folder, conversation.id), conversation.id, begun(9, 8, continues="8")
    )
    partial.add("late")
    partial.close()
    opened = store.open(conversation.id)
    last = opened.conversation.path()[-1]
    assert (last.id, last.parent, last.message.content) == (9, 1, "late")
    assert last.extra == {"continues": "8"}
    opened.log.close()


def test_removing_a_conversation_removes_its_part(store: TranscriptStore) -> None:
    """By the program, or by hand: then the next recovery does."""
    conversation = left_behind(store, "secret")
    store.remove(conversation.id)
    assert list(journals(store.folder)) == []
    conversation = left_behind(store, "secret")
    store.path(conversation.id).unlink()
    assert store.recover() == []
    assert list(journals(store.folder)) == []


def test_a_torn_journal_gives_what_is_whole(tmp_path: Path) -> None:
    """Cut at every byte: a beginning of the words, or nothing; never an error."""
    path = tmp_path / "journal"
    partial = AnswerJournal(path, "chat", begun(content="It "))
    for word in ("été ", "\U0001f600", "\n</user>\0"):
        partial.add(word)
        partial._next_write = 0.0
    partial.close()
    whole = path.read_bytes()
    full = "It été \U0001f600\n</user>\0"
    seen = set()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        part = read_part(path)
        if part is not None:
            assert part.node.message.generation == GENERATION
            assert full.startswith(part.node.message.content)
            seen.add(part.node.message.content)
    assert len(seen) == 4
    assert full in seen


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_file_is_read_without_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Noise is no part, whatever stands before or after a head."""
    path = tmp_path_factory.getbasetemp() / "noise"
    head = b'{"partial": 1, "conversation": "c", "id": 2, "parent": 1, "text": "x"}\n'
    for content in (data, head + data, data + b"\n" + head):
        path.write_bytes(content)
        part = read_part(path)
        assert part is None or part.conversation


@pytest.mark.parametrize(
    "line",
    [
        '{"partial": 2, "conversation": "c", "id": 2, "parent": 1}',
        '{"partial": 1, "conversation": "c", "id": "2", "parent": 1}',
        '{"partial": 1, "conversation": "c", "id": true, "parent": 1}',
        '{"partial": 1, "conversation": "c", "id": 2, "parent": 1.0}',
        '{"partial": 1, "conversation": ["c"], "id": 2, "parent": 1}',
        "[" * 100_000,
        '"partial"',
    ],
)
def test_a_head_that_makes_no_sense_is_no_part(tmp_path: Path, line: str) -> None:
    """Other versions and types are left alone."""
    path = tmp_path / "journal"
    path.write_text(line + '\n{"text": "x"}\n')
    assert read_part(path) is None


def test_hostile_names_stay_in_the_folder(store: TranscriptStore, tmp_path: Path) -> None:
    """A journal that names a file elsewhere, or none, harms nothing."""
    outside = tmp_path / "outside.txt"
    outside.write_text("<user>mine</user>\n")
    left_behind(store, "1")
    for number, name in enumerate(("../outside", "a\0b", "/etc/hostname", "", "x" * 5000)):
        partial = AnswerJournal(store.folder / ".answering" / f"{number}.jsonl", name, begun())
        partial.add("evil")
        partial.close()
    store.recover()
    assert outside.read_text() == "<user>mine</user>\n"


def test_journals_are_private_and_few(store: TranscriptStore) -> None:
    """0600 in a 0700 folder whatever the umask; many words within a moment are one write."""
    with umask(0):
        conversation, log = asked(store)
        partial = log.answering(begun())
        assert partial is not None
        assert list(journals(store.folder)) == []
        for _ in range(1000):
            partial.add("word ")
    path = journal_path(store.folder, conversation.id)
    assert mode_of(path) == 0o600
    assert mode_of(path.parent) == 0o700
    assert path.read_bytes().count(b"\n") < 1000
    partial.discard()
    partial.add("late")
    partial.discard()
    assert list(journals(store.folder)) == []
    log.close()


def test_a_disk_that_refuses_costs_the_journal_only(store: TranscriptStore) -> None:
    """A file in the folder's place: no error, and nothing else is written there."""
    _, log = asked(store)
    (store.folder / ".answering").touch()
    partial = log.answering(begun())
    assert partial is not None
    partial.add("1")
    partial.add("2")
    partial.discard()
    assert (store.folder / ".answering").read_bytes() == b""
    log.close()


_DYING = """
import os, signal, sys
from pathlib import Path
from chatcli.chat.message import user
from chatcli.storage.transcripts.store import TranscriptStore
from tests.storage.test_partial import begun, asked
conversation, log = asked(TranscriptStore(Path(sys.argv[1])))
partial = log.answering(begun())
partial.add("some words")
print(conversation.id, flush=True)
signal.pause()
"""


def test_a_killed_process_leaves_its_part(store: TranscriptStore) -> None:
    """SIGKILL: the lock ends with the process, and the part is there at once."""
    process = subprocess.Popen(
        [sys.executable, "-c", _DYING, str(store.folder)], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    assert store.recover() == []  # it lives
    process.kill()
    process.communicate()
    assert store.recover() == [name]
    assert [m.content for m in store.read(name).conversation.messages()] == ["count", "some words"]
