"""The cache of states: what comes back is what was stored, or nothing."""

import os
from pathlib import Path

import pytest

from chatcli.storage.state_cache import StateCache
from tests.files.test_durable import file_size_limit, mode_of

BLOB = bytes(range(256)) * 40


@pytest.fixture
def cache(tmp_path: Path) -> StateCache:
    """Room for three blobs and their headers."""
    return StateCache(tmp_path / "kv", 3 * len(BLOB) + 1000)


def load(cache: StateCache, name: str, conditions: str) -> bytes | None:
    """What the cache has."""
    blob = cache.load(name, conditions)
    return None if blob is None else bytes(blob)


def age(cache: StateCache, seconds: int) -> None:
    """Make every file older."""
    for path in cache.folder.iterdir():
        moment = path.stat().st_mtime - seconds
        os.utime(path, (moment, moment))


def test_what_is_stored_comes_back_under_the_same_conditions_only(cache: StateCache) -> None:
    """Another model, template or conversation gets nothing; a newer blob replaces the older."""
    assert load(cache, "chat", "model a") is None
    assert not cache.folder.exists()
    assert cache.store("chat", "model a", BLOB)
    assert load(cache, "chat", "model a") == BLOB
    assert load(cache, "chat", "model b") is None
    assert load(cache, "chat 2", "model a") is None
    assert cache.store("chat", "model b", b"")
    assert load(cache, "chat", "model b") == b""
    assert load(cache, "chat", "model a") is None
    assert [mode_of(p) for p in cache.folder.iterdir()] == [0o600]
    assert mode_of(cache.folder) == 0o700


def test_any_damage_means_nothing_is_there(cache: StateCache) -> None:
    """Every byte of the header and some of the blob changed, the file cut anywhere or longer."""
    cache.store("chat", "model", BLOB)
    (path,) = cache.folder.iterdir()
    whole = path.read_bytes()
    places = [*range(150), *range(150, len(whole), 997), len(whole) - 1]
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert load(cache, "chat", "model") is None, place
        path.write_bytes(whole[:place])
        assert load(cache, "chat", "model") is None, place
    path.write_bytes(whole + b"\0")
    assert load(cache, "chat", "model") is None
    path.write_bytes(whole)
    assert load(cache, "chat", "model") == BLOB


def test_the_least_recently_used_goes_first(cache: StateCache) -> None:
    """The capacity is kept; loading counts as use; leftovers of killed processes go too."""
    for name in "abc":
        cache.store(name, "", BLOB)
        age(cache, 100)
    assert load(cache, "a", "") == BLOB
    cache.store("d", "", BLOB)
    assert [n for n in "abcd" if load(cache, n, "") is not None] == ["a", "c", "d"]
    (cache.folder / ".leftover.tmp").write_bytes(BLOB)
    os.utime(cache.folder / ".leftover.tmp", (1, 1))
    cache.store("d", "", BLOB[1:])
    assert sum(p.stat().st_size for p in cache.folder.iterdir()) <= cache.capacity
    assert [n for n in "abcd" if load(cache, n, "") is not None] == ["a", "c", "d"]


def test_what_cannot_be_kept_is_not_kept(cache: StateCache) -> None:
    """Too large, a full disk, a file in the folder's place: no error, and no old blob instead."""
    assert cache.store("chat", "", BLOB)
    assert not cache.store("chat", "", BLOB * 4)
    assert load(cache, "chat", "") is None
    with file_size_limit(100):
        assert not cache.store("chat", "", BLOB)
    assert list(cache.folder.iterdir()) == []
    cache.folder.rmdir()
    cache.folder.touch()
    assert not cache.store("chat", "", BLOB)
    assert load(cache, "chat", "") is None
    cache.remove("chat")


def test_removing(cache: StateCache) -> None:
    """The blob of one conversation, and no other."""
    for name in "ab":
        cache.store(name, "", BLOB)
    cache.remove("a")
    cache.remove("a")
    assert load(cache, "a", "") is None
    assert load(cache, "b", "") == BLOB


def test_a_blob_can_be_written_to(cache: StateCache) -> None:
    """What is loaded needs no copy for C; it may be stored as it came, and is not changed on disk."""
    cache.store("a", "", memoryview(BLOB))
    blob = cache.load("a", "")
    assert blob is not None
    assert not blob.readonly
    blob[0] ^= 1
    assert load(cache, "a", "") == BLOB
    assert cache.store("a", "", blob)
    assert load(cache, "a", "") == bytes(blob)


def test_a_folder_that_cannot_be_written_keeps_nothing_and_says_nothing(cache: StateCache) -> None:
    """Neither storing nor a blob too large for the cache fails; what is there can be loaded."""
    cache.store("a", "", BLOB)
    (path,) = cache.folder.iterdir()
    path.unlink()
    path.mkdir()  # not even root can replace or remove it as a file
    (path / "in use").touch()
    assert not cache.store("a", "", BLOB)
    assert not cache.store("a", "", BLOB * 4)
    assert cache.load("a", "") is None
    assert sorted(p.name for p in cache.folder.iterdir()) == [path.name]
