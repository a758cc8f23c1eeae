"""Cache of model states (KV), one file for each conversation; the least recently used are removed first.

A state that is missing, damaged, of another conversation or made under other conditions counts as not there.
One that cannot be written is not kept. Nothing here fails a chat.
"""

import contextlib
import hashlib
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

from chatcli.errors import StorageError
from chatcli.files.disk import open_regular
from chatcli.files.replace import atomic_write

_MAGIC = b"chatcli state 1\n"
_LONGEST_HEADER = 4096


class StateCache:
    """States by conversation.

    Args:
        folder: appears with the first state.
        capacity: bytes of all states together.
    """

    def __init__(self, folder: Path, capacity: int) -> None:
        self.folder = folder
        self.capacity = capacity

    def store(self, name: str, conditions: str, blob: bytes | memoryview) -> bool:
        """Replace a conversation's state; older states of others are removed to make room.

        Args:
            name: of the conversation.
            conditions: what the state is valid for (model, template, adapter, settings), as one string.
            blob: the state.

        Returns:
            Whether it was kept: not if it exceeds the capacity or cannot be written.
        """
        header = _header(name, conditions, blob)
        size = len(header) + len(blob)
        if size > self.capacity:
            with contextlib.suppress(StorageError):
                self.remove(name)
            return False
        self._make_room(self.capacity - size, self._path(name))
        try:
            atomic_write(self._path(name), [header, blob], durable=False)
        except StorageError:
            return False
        return True

    def load(self, name: str, conditions: str) -> memoryview | None:
        """A conversation's state if it is whole and was made under the same conditions, else None.

        The memory can be written to, so that C can use it without a copy.
        """
        path = self._path(name)
        try:
            content = _read(path)
        except (OSError, MemoryError):
            return None
        start = bytes(content[:_LONGEST_HEADER]).find(b"\n\n") + 2
        if content[:start] != _header(name, conditions, content[start:]):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used just now
        return content[start:]

    def remove(self, name: str) -> None:
        """Remove a conversation's state, if there is one.

        Raises:
            StorageError: it cannot be removed.
        """
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise StorageError(f"cannot remove {path}: {error.strerror}; remove it by hand") from error

    def _path(self, name: str) -> Path:
        return self.folder / hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _make_room(self, size: int, replaced: Path) -> None:
        """Remove states, the least recently used first, and what killed processes left, down to ``size``."""
        files = sorted((status.st_mtime_ns, status.st_size, path) for path, status in self._files())
        total = sum(length for _, length, path in files if path != replaced)
        for _, length, path in files:
            if total <= size:
                return
            if path != replaced:
                with contextlib.suppress(OSError):
                    path.unlink()
                total -= length

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        try:
            for entry in os.scandir(self.folder):
                with contextlib.suppress(OSError):
                    if entry.is_file(follow_symlinks=False):
                        yield Path(entry.path), entry.stat()
        except OSError:
            return


def room_for(folder: Path) -> int:
    """Bytes that states may take without crowding the disk: a tenth of what is free or theirs already.

    Args:
        folder: it need not exist.
    """
    try:
        taken = sum(status.st_size for _, status in StateCache(folder, 0)._files())
        at = next(p for p in (folder, *folder.parents) if p.exists())
        return (shutil.disk_usage(at).free + taken) // 10
    except (OSError, StopIteration):
        return 0


def _read(path: Path) -> memoryview:
    with open_regular(path) as file:
        content = bytearray(os.fstat(file.fileno()).st_size)
        length = file.readinto(content)
    return memoryview(content)[:length]


def _header(name: str, conditions: str, blob: bytes | memoryview) -> bytes:
    """The header by which a state is recognised: conversation and conditions hashed, size, CRC-32."""
    about = hashlib.sha256(f"{name}\0{conditions}".encode("utf-8", "surrogatepass")).hexdigest()
    return b"%s%s %d %08x\n\n" % (_MAGIC, about.encode(), len(blob), zlib.crc32(blob))
