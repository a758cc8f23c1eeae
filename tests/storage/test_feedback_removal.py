"""Judgements of removed conversations: gone with their words, and every other byte of the log as it was."""

from pathlib import Path

import pytest

from chatcli.chat.message import assistant, user
from chatcli.errors import StorageError
from chatcli.feedback.codec import encode
from chatcli.feedback.records import Record, Target, correction, rating, retraction
from chatcli.files.append import AppendFile
from chatcli.storage.feedback.log import FeedbackLog
from chatcli.storage.feedback.removal import remove_judgements

GONE, KEPT = "20260101-000000-aaaaa", "20260101-000000-bbbbb"


def judged(name: str, words: str = "of no matter") -> Record:
    """A rating of an answer in a conversation."""
    target = Target(transcript=name, messages=(2,))
    return rating([user(words)], assistant(words), target, thumb=1)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the log will be."""
    return tmp_path / "feedback.jsonl"


def write(path: Path, *lines: bytes) -> None:
    """A log of these lines."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def test_only_what_quotes_the_conversation_goes(log: Path) -> None:
    """Its ratings, corrections, retractions and damaged lines; what only mentions its name stays."""
    rated = judged(GONE, "secret")
    fixed = correction([user("secret")], assistant("x"), Target(transcript=GONE, messages=(2, 3)), edited="y")
    other = judged(KEPT)
    staying = [
        encode(other).replace(b'"kind"', b' "kind"'),
        encode(judged(KEPT, GONE)),
        b'{"kind": "later", "schema": 9, "id": "x"}',
        b"damaged",
        encode(retraction(other.id)),
        encode(rating([user("q")], assistant("a"), thumb=1)),
    ]
    going = [encode(rated), encode(fixed), encode(retraction(rated.id)), encode(judged(GONE))[:-20]]
    write(log, staying[0], going[0], *staying[1:3], going[1], going[2], *staying[3:], going[3])
    log.chmod(0o600)
    assert remove_judgements(log, [GONE]) == 4
    assert log.read_bytes() == b"".join(line + b"\n" for line in staying)
    assert log.stat().st_mode & 0o777 == 0o600


def test_without_any_the_file_is_not_touched(log: Path) -> None:
    """Not even written anew."""
    assert remove_judgements(log, [GONE]) == 0
    assert not log.exists()
    write(log, encode(judged(KEPT)))
    before = log.stat()
    assert remove_judgements(log, [GONE]) == 0
    assert (log.stat().st_ino, log.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_repairs_put_aside_goes_too(log: Path) -> None:
    """A damaged line that names the conversation may hold its words."""
    write(log, encode(judged(GONE, "secret"))[:-20], b"damaged", encode(judged(KEPT)))
    assert FeedbackLog(log).repair() == 2
    assert remove_judgements(log, [GONE]) == 1
    assert FeedbackLog(log).damaged_path.read_bytes() == b"damaged\n"


def test_who_appends_meanwhile_appends_to_the_new_file(log: Path) -> None:
    """A writer that opened the log before goes on in the one that took its place."""
    write(log, encode(judged(GONE)))
    writer = AppendFile(log)
    remove_judgements(log, [GONE])
    writer.append(encode(judged(KEPT)) + b"\n")
    assert log.read_bytes().count(b"\n") == 1


def test_if_it_cannot_be_replaced_it_is_as_before(log: Path) -> None:
    """A name that is taken by a folder where the log should be."""
    log.mkdir()
    with pytest.raises(StorageError):
        remove_judgements(log, [GONE])
