"""Durable appends and atomic replacement, on real files with real locks and real limits."""

import contextlib
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from chatcli.errors import StorageError
from chatcli.files.append import AppendFile, Locked, end_line
from chatcli.files.disk import read_regular, remove_file
from chatcli.files.replace import atomic_write


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes: the system writes short, then refuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    """Another umask for a while."""
    old = os.umask(mask)
    try:
        yield
    finally:
        os.umask(old)


def mode_of(path: Path) -> int:
    """Permission bits."""
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o377])
def test_files_and_folders_are_private_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    """Files are 0600 and every folder that had to be made is 0700."""
    tmp_path.chmod(0o755)
    with umask(mask):
        AppendFile(tmp_path / "a" / "b" / "log").append(b"x\n")
        atomic_write(tmp_path / "a" / "whole", b"y")
    assert mode_of(tmp_path / "a") == mode_of(tmp_path / "a" / "b") == 0o700
    assert mode_of(tmp_path / "a" / "b" / "log") == mode_of(tmp_path / "a" / "whole") == 0o600
    assert mode_of(tmp_path) == 0o755


@pytest.mark.parametrize("tail", [b"", b"whole\n", b"torn", b"whole\ntorn", b"whole\n\n", b"\xe2\x80"])
def test_a_torn_tail_never_joins_the_next_record(tmp_path: Path, tail: bytes) -> None:
    """Whatever stands at the end of the file, the next record starts on its own line and nothing goes."""
    path = tmp_path / "log"
    path.write_bytes(tail)
    AppendFile(path).append(b"next\n")
    content = path.read_bytes()
    assert content.startswith(tail)
    assert content.split(b"\n")[-2:] == [b"next", b""]
    assert len(content) <= len(tail) + 1 + len(b"next\n")


def test_the_repair_is_a_parameter(tmp_path: Path) -> None:
    """A format says for itself what must precede a record; it sees the file and its length."""
    seen: list[bytes] = []

    def repair(file: BinaryIO, size: int) -> bytes:
        seen.append(file.read(size))
        return b"|"

    path = tmp_path / "log"
    for record in (b"a", b"b"):
        AppendFile(path, repair).append(record)
    assert seen == [b"", b"|a"]
    assert path.read_bytes() == b"|a|b"


@pytest.mark.parametrize("tail", [b"", b"kept\n", b"torn"])
def test_a_short_write_leaves_the_file_as_it_was(tmp_path: Path, tail: bytes) -> None:
    """When the system takes only a part of a record, that part goes again, and the next append succeeds."""
    path = tmp_path / "log"
    path.write_bytes(tail)
    log = AppendFile(path)
    with file_size_limit(1000), pytest.raises(StorageError, match="ulimit -f"):
        log.append(b"x" * 5000 + b"\n")
    assert path.read_bytes() == tail
    log.append(b"after\n")
    assert path.read_bytes().endswith(b"\nafter\n" if tail else b"after\n")


def test_the_size_limit_does_cause_a_short_write(tmp_path: Path) -> None:
    """The control of the test above: under the limit, a bare write takes a part of the data."""
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    with file_size_limit(1000):
        assert os.write(descriptor, b"x" * 5000) == 1000
    os.close(descriptor)


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    """The error says what, where, why and what to do. /dev/full is always full."""
    link = tmp_path / "log"
    link.symlink_to("/dev/full")
    with pytest.raises(StorageError) as caught:
        AppendFile(link).append(b"x\n")
    assert str(caught.value) == f"cannot write {link}: the disk is full; free some space and try again"


@pytest.mark.parametrize(("path", "words"), [("file/log", "not a folder"), ("folder", "not a file")])
def test_impossible_paths_are_one_clear_line(tmp_path: Path, path: str, words: str) -> None:
    """A folder in the file's place, a file in the folder's place."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match=words) as appending:
        AppendFile(tmp_path / path).append(b"x\n")
    with pytest.raises(StorageError) as replacing:
        atomic_write(tmp_path / path, b"x")
    for message in (str(appending.value), str(replacing.value)):
        assert "\n" not in message
        assert str(tmp_path / path) in message
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_name_with_control_characters_stays_on_one_line(tmp_path: Path) -> None:
    """A path may hold a newline; the message does not."""
    (tmp_path / "a\nb").mkdir()
    with pytest.raises(StorageError) as caught:
        AppendFile(tmp_path / "a\nb").append(b"x")
    assert "\n" not in str(caught.value)


HOLDER = """
import sys
from pathlib import Path
from chatcli.files.append import AppendFile
log = AppendFile(Path(sys.argv[1]))
log.hold()
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def other_process_holding(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds ``path`` until it is killed."""
    arguments = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_held_file_has_one_writer_until_its_process_dies(tmp_path: Path) -> None:
    """A second holder is told at once; after SIGKILL of the first the lock is free."""
    path = tmp_path / "log"
    with other_process_holding(path) as process:
        with pytest.raises(Locked):
            AppendFile(path).hold()
        assert path.read_bytes() == b""  # reading is always possible
        process.kill()
        process.wait()
        with AppendFile(path) as log:
            log.hold()
            log.append(b"mine\n")
    assert path.read_bytes() == b"mine\n"


def test_a_writer_that_waited_writes_into_the_file_that_is_there_now(tmp_path: Path) -> None:
    """While it waits for the lock the file is replaced: the record goes into the new one."""
    path = tmp_path / "log"
    with AppendFile(path) as holder:
        holder.hold()
        holder.append(b"one\n")
        waiting = threading.Thread(target=AppendFile(path).append, args=(b"two\n",))
        waiting.start()
        time.sleep(0.1)
        atomic_write(path, b"replaced\n")
    waiting.join()
    assert path.read_bytes() == b"replaced\ntwo\n"


def test_two_objects_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    """The lock belongs to the object, not to the process."""
    with AppendFile(tmp_path / "log") as first, AppendFile(tmp_path / "log") as second:
        first.hold()
        with pytest.raises(Locked):
            second.hold()
        first.close()
        second.hold()
        assert second.held


def test_hold_and_create_never_takes_an_existing_file(tmp_path: Path) -> None:
    """Of two creators of one name, one gets FileExistsError."""
    with AppendFile(tmp_path / "log") as first:
        first.hold(exists=False)
        with pytest.raises(FileExistsError):
            AppendFile(tmp_path / "log").hold(exists=False)


def test_hold_of_a_file_that_must_exist_creates_none(tmp_path: Path) -> None:
    """Opening what somebody just removed does not bring it back, empty."""
    with pytest.raises(StorageError, match="no such file"):
        AppendFile(tmp_path / "folder" / "log").hold(exists=True)
    assert list(tmp_path.iterdir()) == []


def test_an_editor_that_replaces_a_held_file_loses_nothing(tmp_path: Path) -> None:
    """Appends go to the file that has the name now, with its tail repaired."""
    path = tmp_path / "log"
    with AppendFile(path) as log:
        log.hold()
        log.append(b"one\n")
        (tmp_path / "new").write_bytes(b"one, edited")
        (tmp_path / "new").replace(path)
        log.append(b"two\n")
        log.append(b"three\n")
    assert path.read_bytes() == b"one, edited\ntwo\nthree\n"


def test_a_held_file_that_was_edited_in_place_is_repaired_again(tmp_path: Path) -> None:
    """Somebody else's bytes at the end of a held file do not join the next record."""
    path = tmp_path / "log"
    with AppendFile(path) as log:
        log.hold()
        log.append(b"one\n")
        with path.open("ab") as other:
            other.write(b"by hand")
        log.append(b"two\n")
    assert path.read_bytes() == b"one\nby hand\ntwo\n"


def test_a_held_file_that_was_removed_is_said_and_stays_removed(tmp_path: Path) -> None:
    """Bytes do not go into a file that has no name any more."""
    path = tmp_path / "log"
    with AppendFile(path) as log:
        log.hold()
        log.append(b"one\n")
        path.unlink()
        with pytest.raises(StorageError, match="was removed"):
            log.append(b"two\n")
    assert not path.exists()


def test_what_is_acknowledged_was_handed_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of system calls: write, then sync of the file, and for a new file sync of its folder."""
    calls: list[tuple[str, str]] = []

    def recorded(name: str) -> None:
        real = getattr(os, name)

        def call(descriptor: int, *rest: Any) -> Any:
            calls.append((name, Path(f"/proc/self/fd/{descriptor}").readlink().name))
            return real(descriptor, *rest)

        monkeypatch.setattr(os, name, call)

    for name in ("write", "fsync", "fdatasync"):
        recorded(name)
    log = AppendFile(tmp_path / "folder" / "log")
    log.append(b"x\n")
    assert calls == [("fsync", tmp_path.name), ("write", "log"), ("fdatasync", "log"), ("fsync", "folder")]
    calls.clear()
    log.append(b"y\n")
    assert calls == [("write", "log"), ("fdatasync", "log")]
    calls.clear()
    atomic_write(tmp_path / "folder" / "whole", b"z")
    assert [name for name, _ in calls] == ["write", "fdatasync", "fsync"]
    assert calls[-1] == ("fsync", "folder")


def test_atomic_write_replaces_all_or_nothing(tmp_path: Path) -> None:
    """A failed replacement leaves the old content and no temporary file."""
    path = tmp_path / "whole"
    atomic_write(path, b"old")
    with file_size_limit(1000), pytest.raises(StorageError):
        atomic_write(path, b"x" * 5000)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_keeps_links_and_closes_modes(tmp_path: Path) -> None:
    """A link goes on pointing at its target, whose mode becomes the one asked for."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o666)
    link.symlink_to(target)
    atomic_write(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert mode_of(target) == 0o600
    atomic_write(link, b"public", mode=0o644)
    assert mode_of(target) == 0o644


def test_a_link_to_nowhere_yet_creates_its_target(tmp_path: Path) -> None:
    """A log that is a symbolic link into a folder that is synchronized, before the first record."""
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    AppendFile(tmp_path / "log").append(b"x\n")
    assert (tmp_path / "elsewhere").read_bytes() == b"x\n"


def test_removing_is_idempotent(tmp_path: Path) -> None:
    """No complaint about a file that is gone."""
    path = tmp_path / "log"
    AppendFile(path, end_line).append(b"x\n")
    remove_file(path)
    remove_file(path)
    assert not path.exists()


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """A pipe in place of a file would be waited for without end: reading and appending say what it is."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="a pipe"):
        read_regular(pipe)
    with pytest.raises(StorageError, match=r"cannot open .*pipe: it is a pipe"):
        AppendFile(pipe).append(b"x\n")
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path)
    with pytest.raises(OSError, match="not a regular file"):
        read_regular(Path("/dev/zero"))
    (tmp_path / "file").write_bytes(b"content")
    assert read_regular(tmp_path / "file", 4) == b"cont"
