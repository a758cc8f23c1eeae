"""Replaces files in one step: whole contents, large files that grow elsewhere, updates, JSON caches."""

import contextlib
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from chatcli.errors import StorageError
from chatcli.files.append import PATIENCE, AppendFile, Locked
from chatcli.files.disk import (
    FILE_MODE,
    PLAIN,
    make_private_folder,
    read_regular,
    set_mode,
    storage_error,
    sync_file,
    sync_folder,
    write_all,
)

_Cached = TypeVar("_Cached", bound=msgspec.Struct)

#: Ending of the name under which a large file grows.
PART_ENDING = ".part"
_BATCH = 2**20


def atomic_write(
    path: Path, content: bytes | Iterable[bytes | memoryview], *, mode: int = FILE_MODE, durable: bool = True
) -> None:
    """Replace a file, or create it: at any moment either the old or the new content is there, whole.

    Args:
        path: the file. A symbolic link stays one, and its target is replaced.
        content: all of it, or its pieces in order; if making them fails, nothing is replaced.
        mode: of the new file, whatever the umask and the old file's mode.
        durable: wait for the disk; not worth it for what can be made again.

    Raises:
        StorageError: it could not be written; the old content is untouched.
    """
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".{target.name[:100]}.{secrets.token_hex(6)}.tmp"
    try:
        make_private_folder(target.parent)
        descriptor = os.open(temporary, os.O_RDWR | PLAIN | os.O_CREAT | os.O_EXCL, mode)
        try:
            try:
                set_mode(temporary, mode)
                for piece in _batches([content] if isinstance(content, bytes) else content):
                    write_all(descriptor, piece)
                if durable:
                    sync_file(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(target.parent)
    except OSError as error:
        raise storage_error("write", path, error) from error


@contextlib.contextmanager
def part_of(target: Path) -> Iterator[Path]:
    """The file to write instead of ``target``: it takes its place when the block ends, unless it raises.

    Its name is always the same, so that a run that is killed leaves one at most, which the next takes over.

    Raises:
        StorageError: another process writes this target, or the file cannot be opened.
        OSError: it cannot be renamed.
    """
    part = target.with_name(f"{target.name[:80]}{PART_ENDING}")
    with AppendFile(part) as file:
        try:
            file.hold()
        except Locked:
            raise StorageError(f"another chatcli is writing {target}; wait for it") from None
        try:
            yield part
            if sys.platform == "win32":  # where an open file cannot be renamed
                file.close()
            part.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise


def update(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Replace the content of a small file by what ``change`` makes of it; other updates wait meanwhile.

    Args:
        path: the file; a missing one is empty.
        change: from the old content to the new one. If it raises, nothing is written.

    Raises:
        StorageError: it could not be read or written, or another process does not let go of it.
    """
    with AppendFile(path.with_name(f".{path.name}.lock")) as lock:
        lock.hold(patience=PATIENCE)
        try:
            former = read_regular(path)
        except FileNotFoundError:
            former = b""
        except OSError as error:
            raise storage_error("read", path, error) from error
        content = change(former)
        if content != former:
            atomic_write(path, content)


def read_cache(path: Path, kind: type[_Cached]) -> _Cached:
    """The content of a JSON cache file; an empty ``kind`` if it cannot be read."""
    try:
        return msgspec.json.decode(read_regular(path), type=kind)
    except (OSError, msgspec.MsgspecError, ValueError):
        return kind()


def write_cache(path: Path, content: msgspec.Struct) -> None:
    """Replace a JSON cache file. One that cannot be written stays as it is."""
    with contextlib.suppress(StorageError):
        atomic_write(path, msgspec.json.encode(content), durable=False)


def _batches(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """The same bytes in fewer pieces, so that many small ones do not cost a system call each."""
    waiting = bytearray()
    for piece in pieces:
        if len(piece) >= _BATCH:  # not worth a copy
            yield bytes(waiting)
            yield piece
            waiting.clear()
        else:
            waiting += piece
            if len(waiting) >= _BATCH:
                yield bytes(waiting)
                waiting.clear()
    yield bytes(waiting)
