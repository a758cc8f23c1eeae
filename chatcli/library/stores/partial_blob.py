"""A blob of the hub's cache while it is downloaded: a prefix of it, its checksum, its name at the end."""

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from chatcli.files.disk import read_chunks, sync_folder
from chatcli.library.stores.repo_cache import RepoCache, storing

#: What is before a multiple of this is on the disk when what is behind it is written.
SYNC_EVERY = 2**26
_PIECE = 2**18  # bytes read at once
_PAGE = 4096


@dataclass(slots=True)
class PartialBlob:
    """The file that grows, and what must be true of it in the end.

    Args:
        cache: folder of the repository.
        etag: sha256 of the content (64 hexadecimal digits), or git's hash of it (40).
        size: bytes of the whole content.
    """

    cache: RepoCache
    etag: str
    size: int
    have: int = 0
    _checksum: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def path(self) -> Path:
        """Where it grows."""
        return self.cache.partial(self.etag)

    @property
    def checksum(self) -> str:
        """Checksum of what is here, in hexadecimal."""
        return self._checksum.hexdigest()

    def take_up(self) -> int:
        """Keep what an earlier run left, as far as it can be trusted. Returns its size."""
        with storing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_symlink():  # planted by another user of a shared cache
                self.path.unlink()
            with self.path.open("ab") as file:
                size = file.tell()
            sound = sound_size(self.path, size, self.size)
            if sound < size:
                os.truncate(self.path, sound)
        return sound

    def read(self, path: Path, advanced: Callable[[int], None]) -> str:
        """Take the checksum of a file of this content. Returns it.

        Args:
            advanced: called with the number of bytes read; may raise.
        """
        self.have = 0
        git = f"blob {self.size}\0".encode()  # git puts a header before the content
        self._checksum = (
            hashlib.sha256() if len(self.etag) == 64 else hashlib.sha1(git, usedforsecurity=False)
        )
        with storing(path):
            for data in read_chunks(path, _PIECE):
                self._count(data)
                advanced(self.have)
        return self.checksum

    def append(self, file: BinaryIO, data: bytes) -> None:
        """Write what comes next into the open file at ``path``."""
        before = self.have
        file.write(data)
        file.flush()
        self._count(data)
        if before // SYNC_EVERY < self.have // SYNC_EVERY:
            os.fsync(file.fileno())

    def put_aside(self) -> Path:
        """Keep a damaged download under another name, and begin anew. Returns that name."""
        damaged = self.cache.damaged(self.etag)
        with storing(damaged):
            self.path.replace(damaged)
            self.path.touch()
        self.read(self.path, lambda _have: None)
        return damaged

    def publish(self) -> None:
        """Give it the name that programs load."""
        blob = self.cache.blob(self.etag)
        with storing(blob):
            with self.path.open("r+b") as file:
                os.fsync(file.fileno())
            self.path.replace(blob)
            sync_folder(blob.parent)
            self.cache.damaged(self.etag).unlink(missing_ok=True)

    def remove_if_empty(self) -> None:
        """Delete a file without a byte."""
        with contextlib.suppress(OSError):
            if self.path.stat().st_size == 0:
                self.path.unlink()

    def _count(self, data: bytes) -> None:
        self._checksum.update(data)
        self.have += len(data)


def sound_size(path: Path, size: int, whole: int) -> int:
    """How many bytes of a partial file can be trusted after a power cut.

    File systems extend a file before its bytes reach the disk, and such a part then reads as zeros. A tail of
    zeros therefore counts as lost, back to where the disk was last waited for. The checksum at the end finds
    what this does not.

    Args:
        size: bytes of the partial file.
        whole: bytes of the whole one; of a partial file that is longer nothing is trusted.
    """
    if size > whole:
        return 0
    if size < _PAGE:
        return size
    with path.open("rb") as file:
        file.seek(size - _PAGE)
        if file.read(_PAGE).strip(b"\0"):
            return size
    return (size - 1) // SYNC_EVERY * SYNC_EVERY
