"""Downloads one file into the cache: it grows under a name that no program loads, and gets its own when whole.

What is on disk is always a prefix of the file. A new attempt, in this process or a later one, hashes that prefix
and asks for the rest. huggingface_hub does none of this: it deletes its temporary file when a download fails,
compares sizes only, and accepts another range than it asked for (benchmarks/LOG.md, ``python -m benchmarks.hub``).
"""

import contextlib
import hashlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from chatcli.errors import NetworkError
from chatcli.library.hub.amount import amount
from chatcli.library.hub.client import Content, HubClient, RemoteFile, WrongRange, XetError
from chatcli.library.hub.errors import TransientError
from chatcli.library.hub.retry import Patience, Stop, retrying
from chatcli.library.stores.repo_cache import RepoCache, storing

#: What is before a multiple of this is on the disk when what is behind it is written.
SYNC_EVERY = 2**26
_CHUNK = 2**18
_PAGE = 4096
_SHOWN = 2**28  # bytes that take long enough to hash to say so


class Changed(Exception):
    """The hub now names another content than its listing did."""


class Observer(Protocol):
    """Is told how files grow. Calls come from several threads."""

    def begin(self, file: RemoteFile, have: int) -> None:
        """A file is being downloaded; ``have`` bytes of it are here."""

    def advance(self, file: RemoteFile, have: int) -> None:
        """``have`` bytes of it are here now."""

    def end(self, file: RemoteFile) -> None:
        """It is whole and verified."""

    def note(self, text: str) -> None:
        """Something worth a line."""


@dataclass(frozen=True, slots=True)
class PulledFile:
    """A file that is here now.

    Attributes:
        path: by its own name, in the cache.
        blob: where its bytes are; on disks without links they are in both places.
        sha256: of its content; empty if it was not looked at (offline).
        size: bytes.
        resumed_from: bytes that were here before.
        received: bytes that came over the network in this run.
    """

    path: Path
    blob: Path
    sha256: str
    size: int
    resumed_from: int
    received: int = 0


@dataclass(slots=True)
class FileDownload:
    """The download of one file.

    Args:
        client: asks the hub.
        cache: folder of the repository.
        commit: at which the file is taken.
        file: which.
        observer: is told how it goes.
        stop: ends it.
        patience: how often a failing connection is tried again.
        known: the sha256 that was computed of a file here, or None if it changed since.
    """

    client: HubClient
    cache: RepoCache
    commit: str
    file: RemoteFile
    observer: Observer
    stop: Stop
    patience: Patience
    known: Callable[[Path], str | None]
    _ranges: bool = True  # the server can be asked for a part
    _xet: bool = True  # xet storage has not failed
    _have: int = 0
    _received: int = 0
    _checksum: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _sha256: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def run(self) -> PulledFile:
        """Download what is missing of the file, verify it, and give it its name.

        Raises:
            NetworkError: it cannot be had, or arrived damaged twice.
            StorageError: it cannot be written.
            Changed: the listing is out of date.
            Stopped: ``stop`` was set; what came is kept.
        """
        file, observer = self.file, self.observer
        verified = self._verified()  # needs no lock, which a cache that is only read could not give
        if verified is None:
            waiting = f"another program is fetching {file.path}; waiting for it"
            with self.cache.lock(file.etag, self.stop.wait, lambda: observer.note(waiting)):
                verified = self._verified()
                if verified is None:
                    return self._download()
        observer.begin(file, file.size)
        observer.end(file)
        blob = self.cache.blob(file.etag)
        return PulledFile(blob, blob, verified, file.size, file.size)

    def _verified(self) -> str | None:
        """The sha256 of the file if it is here, or None. (huggingface_hub looks at the size alone.)"""
        file, blob = self.file, self.cache.blob(self.file.etag)
        if not self.cache.has(file.etag, file.size):
            return None
        if self.known(blob) == file.etag:
            return file.etag
        shown = file.size >= _SHOWN
        if shown:
            self.observer.note(f"{file.path} is here; verifying its checksum")
            self.observer.begin(file, 0)
        self._restart()
        with storing(blob), blob.open("rb") as opened:
            self._take(opened, shown=shown)
        return self._sha256.hexdigest() if self._checksum.hexdigest() == file.etag else None

    def _download(self) -> PulledFile:
        file, blob = self.file, self.cache.blob(self.file.etag)
        if blob.exists():  # it has the name that programs load
            with storing(blob):
                blob.replace(self.cache.damaged(file.etag))
            self.observer.note(f"{file.path} is here but damaged; fetching it again")
        try:
            resumed_from = self._take_up()
            for last in (False, True):
                self._fetch()
                if self._checksum.hexdigest() == file.etag:
                    break
                self._put_aside(last)
            self._publish()
        finally:
            self._remove_if_empty()
        self.observer.end(file)
        return PulledFile(blob, blob, self._sha256.hexdigest(), file.size, resumed_from, self._received)

    def _take_up(self) -> int:
        """Hash what an earlier run left; returns how much that is."""
        partial = self.cache.partial(self.file.etag)
        with storing(partial):
            partial.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("ab") as file:
                size = file.tell()
            sound = sound_size(partial, size, self.file.size)
            if sound < size:
                os.truncate(partial, sound)
        self._restart()
        if sound >= _SHOWN:
            self.observer.note(f"{self.file.path}: reading the {amount(sound)} that are here")
        self.observer.begin(self.file, sound)
        with storing(partial), partial.open("rb") as file:
            self._take(file)
        return self._have

    def _take(self, file: BinaryIO, *, shown: bool = False) -> None:
        while data := file.read(_CHUNK):
            self.stop.check()
            self._count(data)
            if shown:
                self.observer.advance(self.file, self._have)

    def _restart(self) -> None:
        self._have = 0
        self._checksum = self.file.checksum()
        self._sha256 = self._checksum if self._checksum.name == "sha256" else hashlib.sha256()

    def _count(self, data: bytes) -> None:
        self._checksum.update(data)
        if self._sha256 is not self._checksum:
            self._sha256.update(data)
        self._have += len(data)

    def _fetch(self) -> None:
        partial = self.cache.partial(self.file.etag)
        with storing(partial), partial.open("r+b") as file:
            file.seek(self._have)

            def attempt() -> None:
                if self._have < self.file.size:
                    self._receive(file)

            retrying(attempt, self.patience, self.stop, self._note, lambda: self._have)

    def _note(self, text: str) -> None:
        self.observer.note(f"{self.file.path}: {text}")

    def _receive(self, partial: BinaryIO) -> None:
        """Open the file once at what is missing, and write what comes.

        Raises:
            Changed: the address now leads to another content.
            TransientError: the connection was cut.
        """
        file = self.file
        try:
            with self._opened() as content, self.stop.watching(content.cancel):
                surplus = self._have - content.start  # is here already
                for chunk in content.chunks:
                    self.stop.check()
                    self._received += len(chunk)
                    self._write(partial, chunk[surplus : surplus + file.size - self._have])
                    surplus = max(0, surplus - len(chunk))
                if self._have < file.size:
                    raise TransientError(f"{content.host} cut the connection")
        except WrongRange:
            self._ranges = False
            raise
        except XetError as error:
            self.stop.check()
            self._xet = False
            raise TransientError(f"xet storage cannot be used ({error}); plain HTTP is", after=0) from None

    def _opened(self) -> AbstractContextManager[Content]:
        """The file from what is missing on: in xet storage if it is there, else over plain HTTP."""
        from huggingface_hub.utils import is_xet_available

        repo, file = self.cache.repo, self.file
        metadata = self.client.metadata(repo, self.commit, file)
        if metadata.etag and len(metadata.etag) == len(file.etag) and metadata.etag != file.etag:
            raise Changed
        if metadata.xet_file_data is not None and self._xet and is_xet_available():
            return self.client.xet_content(file, metadata.xet_file_data, self._have)
        return self.client.content(repo, file, metadata, self._have if self._ranges else 0)

    def _write(self, partial: BinaryIO, data: bytes) -> None:
        if not data:
            return
        before = self._have
        partial.write(data)
        partial.flush()
        self._count(data)
        if before // SYNC_EVERY < self._have // SYNC_EVERY:
            os.fsync(partial.fileno())
        self.observer.advance(self.file, self._have)

    def _put_aside(self, last: bool) -> None:
        """The checksum is wrong: keep the bytes for whoever wants to look, and start over once.

        Raises:
            NetworkError: it was the second time.
        """
        damaged = self.cache.damaged(self.file.etag)
        partial = self.cache.partial(self.file.etag)
        with storing(damaged):
            partial.replace(damaged)
            partial.touch()
        what = f"{self.file.path} arrived damaged: its checksum is {self._checksum.hexdigest()[:12]}..., "
        what += f"not {self.file.etag[:12]}...; put aside as {damaged}"
        if last:
            raise NetworkError(
                f"{what}; the second time, so the server or this machine's memory or disk is at fault"
            )
        self.observer.note(f"{what}; starting over")
        self._xet = False
        self._restart()

    def _remove_if_empty(self) -> None:
        partial = self.cache.partial(self.file.etag)
        with contextlib.suppress(OSError):
            if partial.stat().st_size == 0:
                partial.unlink()

    def _publish(self) -> None:
        """Give the file the name that programs load."""
        partial, blob = self.cache.partial(self.file.etag), self.cache.blob(self.file.etag)
        with storing(blob):
            with partial.open("r+b") as file:
                os.fsync(file.fileno())
            partial.replace(blob)
            sync_folder(blob.parent)
            self.cache.damaged(self.file.etag).unlink(missing_ok=True)


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


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder; Windows has no such thing."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
