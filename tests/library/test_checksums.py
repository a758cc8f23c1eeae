"""A model's sha256 is computed once, and a change is noticed."""

import hashlib
import os
from pathlib import Path

import pytest

from chatcli.engine.base import Cancellation
from chatcli.errors import ModelError
from chatcli.library.checksums import Checksums


@pytest.fixture
def checksums(tmp_path: Path) -> Checksums:
    """An empty cache."""
    return Checksums(tmp_path / "cache" / "checksums.json")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_computed_once(checksums: Checksums, tmp_path: Path) -> None:
    """The second time nothing is read: even a file that lost its rights is known."""
    file = tmp_path / "m"
    file.write_bytes(b"model")
    assert checksums.known([file]) is None
    assert checksums.of([file]) == _sha256(b"model")
    assert checksums.known([file]) == _sha256(b"model")
    link = tmp_path / "link"
    link.symlink_to(file)
    assert checksums.known([link]) == _sha256(b"model")


def test_a_changed_file_is_read_again(checksums: Checksums, tmp_path: Path) -> None:
    """Another size, another time, another file in its place, and other bytes with all of these set back."""
    file = tmp_path / "m"
    file.write_bytes(b"one")
    checksums.of([file])
    stamp = file.stat().st_mtime_ns
    file.write_bytes(b"two!")
    os.utime(file, ns=(stamp, stamp))
    assert checksums.of([file]) == _sha256(b"two!")
    file.write_bytes(b"2222")
    os.utime(file, ns=(stamp, stamp + 1))
    assert checksums.of([file]) == _sha256(b"2222")
    other = tmp_path / "n"
    other.write_bytes(b"3333")
    os.utime(other, ns=(stamp, stamp + 1))
    other.replace(file)
    assert checksums.known([file]) is None
    assert checksums.recorded(file) == _sha256(b"2222")
    assert checksums.of([file]) == _sha256(b"3333")
    with file.open("r+b") as opened:
        opened.write(b"4444")
    os.utime(file, ns=(stamp, stamp + 1))
    assert checksums.of([file]) == _sha256(b"4444")


def test_a_split_model_has_one_hash(checksums: Checksums, tmp_path: Path) -> None:
    """It depends on every part and on their order."""
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"a")
    b.write_bytes(b"b")
    expected = _sha256(f"{_sha256(b'a')}\n{_sha256(b'b')}\n".encode())
    assert checksums.of([a, b]) == checksums.known([a, b]) == expected
    assert checksums.of([b, a]) != expected


def test_names_that_changed_are_told_once(checksums: Checksums) -> None:
    """What a name stood for before, when it was something else."""
    assert checksums.former("m", "1") == ""
    assert checksums.former("m", "1") == ""
    assert checksums.former("m", "2") == "1"
    assert checksums.former("m", "2") == ""


def test_it_can_be_interrupted_and_fail(checksums: Checksums, tmp_path: Path) -> None:
    """One line each, and nothing is remembered."""
    file = tmp_path / "m"
    file.write_bytes(b"model")
    stop = Cancellation()
    stop.set()
    with pytest.raises(ModelError, match="interrupted"):
        checksums.of([file], stop)
    with pytest.raises(ModelError, match="cannot be read"):
        checksums.of([tmp_path / "gone"])
    assert checksums.known([file]) is None


def test_a_damaged_cache_is_an_empty_one(tmp_path: Path) -> None:
    """It can be made again; it is private and holds no name of a file."""
    cache = tmp_path / "checksums.json"
    cache.write_bytes(b"{" * 1000)
    file = tmp_path / "private-name"
    file.write_bytes(b"model")
    checksums = Checksums(cache)
    checksums.of([file])
    checksums.former("my model", "ab")
    assert checksums.known([file])
    assert cache.stat().st_mode & 0o777 == 0o600
    assert b"private" not in cache.read_bytes()
    assert b"my model" not in cache.read_bytes()
