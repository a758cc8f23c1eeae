"""List and search: right answers whatever happens to the files, to the index, and to the query."""

import os
import random
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.chat.conversation import Conversation
from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Role, assistant, user
from chatcli.errors import UsageError
from chatcli.feedback.records import Target, rating, retraction
from chatcli.files.replace import atomic_write
from chatcli.storage.feedback.log import FeedbackLog
from chatcli.storage.index.index import Hit, TranscriptIndex
from chatcli.storage.transcripts.store import TranscriptStore
from tests.files.test_durable import mode_of, umask
from tests.pictures import picture


class Archive:
    """A transcripts folder with its index."""

    def __init__(self, home: Path) -> None:
        self.file = home / "cache" / "index.sqlite"
        self.feedback = FeedbackLog(home / "feedback.jsonl")
        self.index = TranscriptIndex(home / "transcripts", self.file, feedback=self.feedback.path)
        self.store = TranscriptStore(home / "transcripts", self.index.titled)

    def write(self, *contents: str, title: str = "", model: str = "", age: int = 0) -> str:
        """A conversation of alternating speakers, last written ``age`` seconds ago. Returns its name."""
        conversation = Conversation("", datetime(2026, 1, 1, tzinfo=UTC), title)
        generation = Generation(ModelRef(model, f"{model}-Q4_K_M.gguf"), FinishReason.END) if model else None
        for number, content in enumerate(contents):
            role = Role.ASSISTANT if number % 2 else Role.USER
            conversation.append(Message(role, content, None, generation if number % 2 else None))
        self.store.add(conversation).close()
        self.age(conversation.id, age)
        return conversation.id

    def rate(self, name: str, message: int, thumb: Literal[-1, 1]) -> str:
        """Rate an answer; returns the id of the record."""
        target = Target(transcript=name, messages=(message,))
        record = rating([user("of no matter")], assistant("here"), target, thumb=thumb)
        self.feedback.append(record)
        return record.id

    def age(self, name: str, seconds: float) -> None:
        """Set when a conversation was last written."""
        path = self.store.path(name)
        moment = path.stat().st_mtime - seconds
        os.utime(path, (moment, moment))

    def names(self, query: str) -> list[str]:
        """The conversations found."""
        return [hit.name for hit in self.index.search(query)]

    def listed(self) -> list[str]:
        """The names in the list."""
        return [summary.name for summary in self.index.newest()]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An empty one."""
    return Archive(tmp_path)


def marked(hit: Hit) -> list[str]:
    """The highlighted parts of a snippet."""
    return [hit.snippet[a:b] for a, b in hit.matches]


def test_without_transcripts_there_is_nothing(archive: Archive) -> None:
    """No folder yet: empty answers, and the folder is not made."""
    assert archive.index.newest() == []
    assert archive.index.search("word") == []
    assert not archive.store.folder.exists()


def test_a_list_shows_the_newest_first(archive: Archive) -> None:
    """With titles, counts, models and times."""
    old = archive.write("How old\nare you?", "Old.", model="qwen3", age=90_000)
    new = archive.write("x " * 100, title="A <b>title</b>\nof two lines", age=10)
    first, second = archive.index.newest()
    assert (first.name, second.name) == (new, old)
    assert (first.title, second.title) == ("A <b>title</b>\nof two lines", "How old")
    assert (second.messages, second.models, second.damage) == (2, ("qwen3",), "")
    assert second.started == datetime(2026, 1, 1, tzinfo=UTC)
    assert timedelta(hours=24) < first.written - second.written < timedelta(hours=26)
    assert [s.name for s in archive.index.newest(1)] == [new]
    assert [s.name for s in archive.index.newest(None, skip=1)] == [old]


def test_what_people_search_for(archive: Archive) -> None:
    """Words, phrases, prefixes, roles, models; case and accents do not matter."""
    sort = archive.write("Bubble sort in Python, please", "def bubble_sort(a): ...", model="lkjsxclm", age=50)
    cafe = archive.write("Ein Café in Zürich?", "Sprüngli.", title="Ausflug", model="Qwen3-4B", age=40)
    every = {
        "python": [sort], "PYTHON bubble": [sort], "pyth*": [sort], "pyth": [],
        "cafe": [cafe], "ZURICH": [cafe],
        '"bubble sort"': [sort, sort], '"sort bubble"': [], "bubble_sort": [sort, sort],
        '"bubble so"*': [sort, sort], '"bubble sort': [sort, sort], '"unclosed': [],
        "role:user bubble": [sort], "role:assistant bubble": [sort],
        "role:title ausflug": [cafe], "ausflug": [cafe],
        "model:qwen": [cafe, cafe], "model:4b zurich": [cafe], "model:lkjsxclm cafe": [],
        "model:q4_k_m python": [sort], "foo:bar": [], "https://x": [], "in:": [cafe, sort], "C++": [],
    }  # fmt: skip
    for query, expected in every.items():
        assert archive.names(query) == expected, query


def test_pictures_are_found_and_told_by_name(archive: Archive) -> None:
    """A picture without words is no empty chat: in the list, in what is found, and to be searched for."""
    for words in ("", "Which one\nis it?"):
        conversation = Conversation("", datetime(2026, 1, 1, tzinfo=UTC))
        conversation.append(user(words, picture("red cat.png"), picture("b.jpg")))
        conversation.append(assistant("A cat."))
        archive.store.add(conversation).close()
    assert {s.title for s in archive.index.newest()} == {"[picture: red cat.png]", "Which one"}
    assert len(archive.names("cat.png")) == len(archive.names("role:user b.jpg")) == 2
    assert {hit.snippet for hit in archive.index.search("red role:user")} == {
        "[picture: red cat.png] [picture: b.jpg]",
        "[picture: red cat.png] [picture: b.jpg] Which one is it?",
    }


def test_scripts_without_spaces(archive: Archive) -> None:
    """A part of a Chinese, Japanese or Thai sentence is found, and highlighted."""
    name = archive.write("我想学习强化学习的基础知识", "ภาษาไทยไม่มีช่องว่าง そうですね")
    for query, expected in (
        ("强化学习", "强化学习"),
        ("ไทย", "ไทย"),
        ("です", "です"),
        ('"学习的', "学习的"),
    ):
        (hit,) = archive.index.search(query)
        assert hit.name == name
        assert "".join(marked(hit)) == expected
    assert archive.names("学强") == []


def test_snippets_mark_what_was_found(archive: Archive) -> None:
    """A long message is cut around the match, on one line, with the ranges that matched."""
    archive.write("word\n" * 500 + "the needle \x01in\x02 a\thaystack\r\n" + "word " * 500)
    (hit,) = archive.index.search("needle hay*")
    assert marked(hit) == ["needle", "haystack"]
    assert len(hit.snippet) < 300
    assert "\n" not in hit.snippet
    assert "\x01" not in hit.snippet
    assert hit.message == 1


def test_dates(archive: Archive) -> None:
    """after: includes the day, month or year; before: does not."""
    name = archive.write("hello")
    moment = datetime(2025, 3, 15, 12).timestamp()
    os.utime(archive.store.path(name), (moment, moment))
    within = [
        "after:2025-03-15",
        "after:2025-03",
        "after:2025",
        "before:2025-03-16",
        "before:2025-04",
        "before:2026",
    ]
    outside = [
        "after:2025-03-16",
        "after:2025-04",
        "after:today",
        "before:2025-03-15",
        "before:2025",
        "after:2026",
    ]
    for query in within:
        assert archive.names(query) == archive.names(f"hello {query}") == [name], query
    for query in [*outside, "after:2025-03-15 before:2025-03-15"]:
        assert archive.names(query) == archive.names(f"hello {query}") == [], query
    assert archive.names("before:today after:1970") == [name]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "++ --",
        "after:x",
        "before:2026-13",
        "rated:ok",
        "role:nobody",
        "a " * 100,
        "x" * 5000,
    ],
)
def test_queries_that_make_no_sense_are_explained(archive: Archive, query: str) -> None:
    """One line that says what is wrong."""
    with pytest.raises(UsageError) as caught:
        archive.index.search(query)
    assert "\n" not in str(caught.value)


HOSTILE = st.lists(
    st.sampled_from(
        [
            *'"*():^-+{}\\',
            "AND",
            "OR",
            "NOT",
            "NEAR(",
            "role:",
            "model:",
            "rated:",
            "content:",
            "word",
            " ",
            "\0",
            "\ud800",
        ]
    )
    | st.text(max_size=3)
).map("".join)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """One with something to find."""
    archive = Archive(tmp_path_factory.mktemp("home"))
    archive.write("word AND word", "NEAR( word", model="m")
    return archive


def check_any_query(archive: Archive, query: str) -> None:
    """Hits or a UsageError; an SQLite error would surface as StorageError."""
    try:
        archive.index.search(query)
    except UsageError:
        return


@settings(max_examples=100, deadline=None)
@given(HOSTILE)
def test_no_query_breaks_the_search(searched: Archive, query: str) -> None:
    """Whatever is typed."""
    check_any_query(searched, query)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=20_000, deadline=None)
@given(HOSTILE)
def test_no_query_breaks_the_search_soak(searched: Archive, query: str) -> None:
    """The same, for long."""
    check_any_query(searched, query)


def test_changes_by_hand_are_noticed(archive: Archive) -> None:
    """Edited in place, replaced, added anywhere, renamed, removed, with their folder or alone."""
    name = archive.write("original words")
    path = archive.store.path(name)
    assert archive.names("original") == [name]
    path.write_text(path.read_text().replace("original", "modified"))
    assert archive.names("original") == []
    assert archive.names("modified") == [name]
    (path.parent / "new.tmp").write_text("<user>replaced</user>")
    (path.parent / "new.tmp").replace(path)
    assert archive.names("replaced") == [name]
    (archive.store.folder / "work" / "deep").mkdir(parents=True)
    (archive.store.folder / "work" / "deep" / "notes.txt").write_text("<user>by hand</user><bot>yes</bot>")
    assert archive.names("hand") == ["work/deep/notes"]
    (archive.store.folder / "work").rename(archive.store.folder / "play")
    assert archive.names("hand") == ["play/deep/notes"]
    (archive.store.folder / "play" / "deep" / "notes.txt").unlink()
    assert archive.names("hand") == []
    path.unlink()
    path.parent.rmdir()
    assert archive.listed() == []


def test_changes_within_one_tick_of_the_clock_are_noticed(archive: Archive) -> None:
    """A file that is changed again within the clock's resolution looks unchanged; it is found."""
    folder = archive.store.folder
    folder.mkdir()
    (folder / "a.txt").write_text("<user>old</user>")
    before = (folder / "a.txt").stat().st_mtime_ns
    assert archive.names("old") == ["a"]
    (folder / "a.txt").write_text("<user>new</user>")
    os.utime(folder / "a.txt", ns=(before, before))
    assert archive.names("new") == ["a"]


def test_additions_within_one_tick_of_the_clock_are_noticed(archive: Archive) -> None:
    """A folder that gets another file within the clock's resolution looks unchanged; the file is found."""
    folder = archive.store.folder
    for name in ("1", "2", "3"):
        (folder / name).mkdir(parents=True)
        (folder / name / "a.txt").write_text("<user>first</user>")
    before = folder.stat().st_mtime_ns
    assert len(archive.names("first")) == 3
    (folder / "b.txt").write_text("<user>second</user>")
    os.utime(folder, ns=(before, before))
    assert archive.names("second") == ["b"]


def test_random_changes_are_followed(archive: Archive) -> None:
    """After any sequence of changes the index lists and finds just what the files hold."""
    rng = random.Random(7)
    folder = archive.store.folder
    paths = [folder / str(month) / f"{n}.txt" for month in range(4) for n in range(4)]
    for step in range(60):
        path = rng.choice(paths)
        if path.exists() and rng.random() < 0.4:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"<user>{'x' * rng.randint(1, 3)} same</user>")
            moment = 1_700_000_000 + rng.randrange(10**6)
            os.utime(path, (moment, moment))
        if step % 3 == 0:
            expected = sorted(str(p.relative_to(folder).with_suffix("")) for p in paths if p.exists())
            assert sorted(archive.listed()) == expected
            assert sorted(archive.names("same")) == expected
            for length in (1, 2, 3):
                having = [p for p in paths if p.exists() and f">{'x' * length} " in p.read_text()]
                assert len(archive.names("x" * length)) == len(having)


def test_changes_to_old_files_are_noticed_at_once(archive: Archive) -> None:
    """An edit in place that leaves the folder's time as it was is found, however many files there are."""
    folder = archive.store.folder
    for month in range(10):
        for number in range(2):
            path = folder / f"{month:02d}" / f"{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("<user>before</user>")
            os.utime(path, (1_700_000_000, 1_700_000_000))
            os.utime(path.parent, (1_700_000_000, 1_700_000_000))
    assert len(archive.index.newest(None)) == 20
    (folder / "03" / "0.txt").write_text("<user>after!</user>")
    os.utime(folder / "03", (1_700_000_000, 1_700_000_000))
    assert archive.names("after") == ["03/0"]
    assert len(archive.index.search("before", count=100)) == 19


def ruin(file: Path, how: str) -> None:
    """Damage the index in one of many ways."""
    content = file.read_bytes()
    if how == "empty":
        file.write_bytes(b"")
    elif how == "garbage":
        file.write_bytes(b"not a database" * 1000)
    elif how == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif how == "zeros":
        file.write_bytes(content[:4096] + b"\0" * (len(content) - 4096))
    elif how == "other version":
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA user_version = 99")
            connection.execute("DELETE FROM words")
        connection.close()
    elif how == "foreign":
        file.unlink()
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE transcripts (x)")
        connection.close()
    elif how == "table missing":
        with sqlite3.connect(file) as connection:
            connection.execute("DROP TABLE folders")
        connection.close()
    else:
        file.unlink()


@pytest.mark.parametrize(
    "how", ["empty", "garbage", "truncated", "zeros", "other version", "foreign", "table missing", "missing"]
)
def test_a_damaged_index_is_made_anew(tmp_path: Path, how: str) -> None:
    """Without a word, and without touching the transcripts."""
    archive = Archive(tmp_path)
    names = [archive.write(f"common word{n} " * 50, age=n) for n in range(20)]
    assert len(archive.names("common")) == 20
    archive.index.close()
    ruin(archive.file, how)
    again = Archive(tmp_path)
    assert again.names("common") == again.listed() == names
    assert again.names("word7") == [names[7]]
    assert mode_of(again.file) == 0o600


def test_an_index_that_is_ruined_while_open(archive: Archive) -> None:
    """The next question is answered."""
    names = [archive.write(f"common {n} " * 200, age=n) for n in range(20)]
    archive.listed()
    archive.index.close()
    archive.listed()
    archive.file.write_bytes(b"\xff" * archive.file.stat().st_size)
    assert archive.names("common") == names


def test_the_index_is_private_whatever_the_umask(archive: Archive) -> None:
    """It holds every word of every chat."""
    archive.write("secret")
    with umask(0):
        archive.listed()
    assert {mode_of(p) for p in archive.file.parent.iterdir()} == {0o600}
    assert mode_of(archive.file.parent) == 0o700


def test_forgetting_leaves_no_trace(archive: Archive) -> None:
    """After remove and forget no file below the home holds a word of the conversation."""
    kept = archive.write("something to keep")
    gone = archive.write("markermarker7391", "answer", title="markertitle7391")
    assert archive.names("markermarker7391") == [gone]
    archive.rate(gone, 2, 1)
    assert archive.names("rated:good") == [gone]
    archive.index.forget(archive.store.remove(gone))
    assert archive.names("something") == [kept]
    assert archive.names("rated:good") == []
    for path in archive.file.parent.parent.rglob("*"):
        if path.is_file():
            assert b"7391" not in path.read_bytes(), path


def test_ratings(archive: Archive) -> None:
    """rated: finds the answers that were rated so, with words or without, whatever becomes of the index."""
    one = archive.write("a question", "first answer", "another", "second answer", age=10)
    two = archive.write("a question", "third answer", age=20)
    assert archive.names("rated:good") == []
    for name, message, thumb in ((one, 2, 1), (one, 4, -1), (two, 2, 1), ("gone", 1, -1)):
        archive.rate(name, message, 1 if thumb == 1 else -1)
    assert [(h.name, h.message) for h in archive.index.search("rated:good")] == [(one, 2), (two, 2)]
    assert [(h.name, h.message) for h in archive.index.search("rated:bad answer")] == [(one, 4)]
    assert archive.names("rated:bad third") == []
    archive.store.path(two).write_text("<user>q</user><b>edited answer</b>")
    assert archive.names("rated:good edited") == [two]
    archive.index.close()
    archive.file.unlink()
    assert archive.names("rated:good") == [two, one]


def test_ratings_follow_the_log(archive: Archive) -> None:
    """What is rated anew, taken back, edited or thrown out of the log counts at the next question."""
    one, two = archive.write("q", "one", age=10), archive.write("q", "two", age=20)
    first = archive.rate(one, 2, 1)
    second = archive.rate(two, 2, 1)
    assert archive.names("rated:good") == [one, two]
    archive.rate(one, 2, -1)
    archive.feedback.append(retraction(first))  # of what had been superseded
    assert archive.names("rated:good") == [two]
    assert archive.names("rated:bad") == [one]
    archive.feedback.append(retraction(second))
    assert archive.names("rated:good") == []
    log = archive.feedback.path
    torn = log.read_bytes() + b'{"kind": "rating", "torn'
    log.write_bytes(torn)
    archive.rate(two, 2, 1)
    assert archive.names("rated:good") == [two]
    lines = log.read_bytes().splitlines(keepends=True)
    atomic_write(log, b"".join(lines[:1] + lines[-1:]))
    assert archive.names("rated:good") == [one, two]
    log.unlink()
    assert archive.names("rated:good") == []


def test_titles_resolve(archive: Archive) -> None:
    """A whole title in any case, else its beginning; several are listed."""
    trip = archive.write("x", title="Trip to Rome")
    plan = archive.write("Trip to Rome and back, please")
    assert archive.store.resolve("trip to rome") == trip
    assert archive.store.resolve("Trip to Rome and") == plan
    with pytest.raises(UsageError, match="could be 2"):
        archive.store.resolve("trip")


def test_hostile_transcripts_do_not_stop_the_index(archive: Archive) -> None:
    """No text, torn, binary, broken links, folders named like transcripts."""
    good = archive.write("good word", age=5)
    folder = archive.store.folder
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 50)
    (folder / "torn.txt").write_bytes(b"<user>torn word")
    (folder / "utf16.txt").write_bytes("<user>x</user>".encode("utf-16"))
    (folder / "empty.txt").touch()
    (folder / "folder.txt").mkdir()
    (folder / "link.txt").symlink_to("nowhere")
    (folder / os.fsdecode(b"\xff.txt")).write_text("<user>unnameable</user>")
    (folder / ".hidden.txt").write_text("<user>hidden word</user>")
    assert archive.names("good") == [good]
    assert archive.names("hidden") == archive.names("unnameable") == []
    damage = {s.name: s.damage for s in archive.index.newest()}
    assert damage[good] == ""
    assert archive.names("torn word") == ["torn"]


def test_where_the_index_cannot_be_written_questions_are_answered(archive: Archive) -> None:
    """A file where the cache folder should be, a folder where the index should be: it is made in memory."""
    name = archive.write("word")
    file, folder = archive.file.parent.parent / "file", archive.file.parent.parent / "folder"
    file.touch()
    folder.mkdir()
    for place in (file / "index.sqlite", folder):
        index = TranscriptIndex(archive.store.folder, place)
        assert [s.name for s in index.newest()] == [name]
        assert [hit.name for hit in index.search("word")] == [name]
    assert file.read_bytes() == b""
    assert list(folder.iterdir()) == []


FULL_DISK = """
import resource, sys
from pathlib import Path
from chatcli.storage.index.index import TranscriptIndex
home = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
index = TranscriptIndex(home / "transcripts", home / "cache" / "index.sqlite")
assert len(index.newest(None)) == 31
assert len(index.search("common", count=100)) == 31
(hit,) = index.search("added")
index.forget(hit.name)
assert not (home / "cache" / "index.sqlite").exists()
assert len(index.search("common", count=100)) == 31
"""


def test_a_full_disk_is_read_and_forgets(archive: Archive) -> None:
    """What was added is found though the index cannot be written; to forget a chat the index is removed."""
    for number in range(30):
        archive.write(f"common word {number}", age=number + 10)
    assert len(archive.listed()) == 20
    archive.index.close()
    archive.write("common and added")
    home = archive.file.parent.parent
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(home)], stderr=subprocess.PIPE, text=True)
    assert done.stderr == ""


SEARCHER = """
import sys
from pathlib import Path
from chatcli.storage.index.index import TranscriptIndex
home = Path(sys.argv[1])
for turn in range(20):
    index = TranscriptIndex(home / "transcripts", home / "cache" / "index.sqlite")
    assert len(index.search("common", count=100)) == 60, turn
    for path in sorted((home / "transcripts").rglob("*.txt"))[turn :: 20]:
        path.touch()
    index.close()
"""


def test_processes_share_the_index(archive: Archive) -> None:
    """Three processes build, change, ask and reopen at the same time; each answer is complete."""
    for number in range(60):
        archive.write(f"common word {number}", age=number)
    arguments = [sys.executable, "-c", SEARCHER, str(archive.file.parent.parent)]
    processes = [subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    errors = [process.communicate()[1] for process in processes]
    assert errors == ["", "", ""]
    assert len(archive.index.search("common", count=100)) == 60


def test_a_conversation_that_goes_on_is_found_with_its_new_words(archive: Archive) -> None:
    """Messages are found as soon as they are written, while the chat is open."""
    conversation, log = archive.store.create()
    for number in range(5):
        log.append(conversation.append(user(f"question{number}")))
        log.append(conversation.append(assistant(f"answer{number}")))
        (hit,) = archive.index.search(f"answer{number}")
        assert (hit.name, hit.message) == (conversation.id, 2 * number + 2)
    log.close()
    assert len(archive.index.newest()) == 1
