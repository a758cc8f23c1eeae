"""Downloads one file into the cache: it grows under a name no program loads, and gets its own when whole.

What is on disk is always a prefix of the file. A new attempt, in this process or a later one, hashes that
prefix and asks for the rest. huggingface_hub does none of this: it deletes its temporary file when a download
fails, compares sizes only, and takes another range for the one it asked for (``python -m benchmarks.hub``).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from chatcli.errors import NetworkError
from chatcli.library.checksums import sha256_of
from chatcli.library.hub.client import Content, HubClient, RemoteFile
from chatcli.library.hub.errors import TransientError, WrongRange, XetError
from chatcli.library.hub.retry import Patience, Stop, retrying
from chatcli.library.hub.xet import xet_content
from chatcli.library.stores.partial_blob import PartialBlob
from chatcli.library.stores.repo_cache import RepoCache, storing
from chatcli.words import byte_size

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
    _part: PartialBlob = field(init=False)
    _ranges: bool = True  # the server can be asked for a part
    _xet: bool = True  # xet storage has not failed
    _received: int = 0

    def run(self) -> PulledFile:
        """Download what is missing of the file, verify it, and give it its name.

        Raises:
            NetworkError: it cannot be had, or arrived damaged twice.
            StorageError: it cannot be written.
            Changed: the listing is out of date.
            Stopped: ``stop`` was set; what came is kept.
        """
        file, observer = self.file, self.observer
        self._part = PartialBlob(self.cache, file.etag, file.size)
        resumed_from = None
        if not self._is_here():  # needs no lock, which a cache that is only read could not give
            waiting = f"another program is fetching {file.path}; waiting for it"
            with self.cache.lock(file.etag, self.stop.wait, lambda: observer.note(waiting)):
                if not self._is_here():
                    resumed_from = self._download()
        if resumed_from is None:
            resumed_from = file.size
            observer.begin(file, file.size)
        observer.end(file)
        blob = self.cache.blob(file.etag)
        sha256 = file.etag if len(file.etag) == 64 else sha256_of(blob)
        return PulledFile(blob, blob, sha256, file.size, resumed_from, self._received)

    def _is_here(self) -> bool:
        """Whether the whole content is here, verified. (huggingface_hub looks at the size alone.)"""
        file, blob = self.file, self.cache.blob(self.file.etag)
        if not self.cache.has(file.etag, file.size):
            return False
        if self.known(blob) == file.etag:
            return True
        if file.size >= _SHOWN:
            self.observer.note(f"{file.path} is here; verifying its checksum")
            self.observer.begin(file, 0)
        return self._part.read(blob, self._hashed) == file.etag

    def _hashed(self, have: int) -> None:
        self.stop.check()
        if self.file.size >= _SHOWN:
            self.observer.advance(self.file, have)

    def _download(self) -> int:
        """Returns how many bytes were here before."""
        file, blob, part = self.file, self.cache.blob(self.file.etag), self._part
        if blob.exists():  # it has the name that programs load
            with storing(blob):
                blob.replace(self.cache.damaged(file.etag))
            self.observer.note(f"{file.path} is here but damaged; fetching it again")
        try:
            resumed_from = part.take_up()
            if resumed_from >= _SHOWN:
                self.observer.note(f"{file.path}: reading the {byte_size(resumed_from)} that are here")
            self.observer.begin(file, resumed_from)
            part.read(part.path, lambda _have: self.stop.check())
            self._fetch()
            if part.checksum != file.etag:
                self.observer.note(f"{self._damage()}; starting over")
                self._xet = False
                self._fetch()
            if part.checksum != file.etag:
                fault = "the second time, so the server or this machine's memory or disk is at fault"
                raise NetworkError(f"{self._damage()}; {fault}")
            part.publish()
        finally:
            part.remove_if_empty()
        return resumed_from

    def _damage(self) -> str:
        """Put a damaged download aside; returns a line about it."""
        found, wanted = self._part.checksum, self.file.etag
        where = self._part.put_aside()
        return (
            f"{self.file.path} arrived damaged: its checksum is {found[:12]}..., not {wanted[:12]}...; "
            f"put aside as {where}"
        )

    def _fetch(self) -> None:
        part = self._part
        with storing(part.path), part.path.open("r+b") as file:
            file.seek(part.have)

            def attempt() -> None:
                if part.have < part.size:
                    self._receive(file)

            def note(text: str) -> None:
                self.observer.note(f"{self.file.path}: {text}")

            retrying(attempt, self.patience, self.stop, note, lambda: part.have)

    def _receive(self, file: BinaryIO) -> None:
        """Ask once for what is missing, and write what comes.

        Raises:
            Changed: the address now leads to another content.
            TransientError: the connection was cut.
        """
        part = self._part
        try:
            with self._opened() as content, self.stop.watching(content.cancel):
                surplus = part.have - content.start  # is here already
                for chunk in content.chunks:
                    self.stop.check()
                    self._received += len(chunk)
                    fresh = chunk[surplus:][: part.size - part.have]
                    surplus = max(0, surplus - len(chunk))
                    part.append(file, fresh)
                    self.observer.advance(self.file, part.have)
                if part.have < part.size:
                    raise TransientError(f"{content.host} cut the connection")
        except WrongRange:
            self._ranges = False
            raise
        except XetError as error:
            self.stop.check()
            self._xet = False
            self.observer.note(f"{self.file.path}: xet storage fails ({error}); going on over plain HTTP")
            self._receive(file)

    def _opened(self) -> AbstractContextManager[Content]:
        """The file from what is missing on: in xet storage if it is there, else over plain HTTP."""
        client, repo, file, have = self.client, self.cache.repo, self.file, self._part.have
        metadata = client.metadata(repo, self.commit, file)
        if metadata.etag and len(metadata.etag) == len(file.etag) and metadata.etag != file.etag:
            raise Changed
        if metadata.xet_file_data is not None and self._xet and client.has_xet:
            xet = metadata.xet_file_data
            return xet_content(file, xet, have, client.token_for(xet.refresh_route))
        return client.content(repo, file, metadata, have if self._ranges else 0)
