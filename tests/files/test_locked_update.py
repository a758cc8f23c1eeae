"""Small files that several processes change: no change is lost."""

import threading
from pathlib import Path

import pytest

from chatcli.errors import StorageError, UsageError
from chatcli.files.replace import update
from chatcli.library.names.aliases import Registry, decode_registry, read_registry


def test_no_change_is_lost(tmp_path: Path) -> None:
    """Many at once take turns, each on top of what the others wrote."""
    file = tmp_path / "data" / "models.json"

    def add(worker: int) -> None:
        for i in range(10):
            update(
                file,
                lambda data, i=i: (  # type: ignore[misc]
                    decode_registry(data, "f").with_alias(f"{worker}-{i}", "m").encode()
                ),
            )

    threads = [threading.Thread(target=add, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_registry(file).aliases) == 40
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    """What a name cannot be is refused, and the file is as before."""
    file = tmp_path / "models.json"
    update(file, lambda _: Registry().with_alias("a", "b").encode())
    before = file.read_bytes()
    for wrong in ("", " a", "-a", "a\nb", "a\0"):
        with pytest.raises(UsageError):
            update(file, lambda data, wrong=wrong: Registry().with_alias(wrong, "b").encode())  # type: ignore[misc]
    assert file.read_bytes() == before
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(StorageError):
        update(folder, lambda data: b"x")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Aliases and files come back; removed ones do not."""
    registry = Registry().with_alias("a", "x").with_file("b", tmp_path / "ü.gguf").with_alias("c", "y")
    again = decode_registry(registry.without("c").encode(), "f")
    assert (dict(again.aliases), dict(again.files)) == ({"a": "x"}, {"b": tmp_path / "ü.gguf"})
