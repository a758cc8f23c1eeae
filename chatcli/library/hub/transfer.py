"""One file from the hub into the cache: it grows under a name no program loads, and gets its own when whole.

What is on disk is always a prefix of the file. A new attempt, in this process or a later one, hashes that
prefix and asks for the rest with a Range. ``If-Range`` is not used: the hub's content host has ETags of its
own and would send everything. Instead the hub's ETag is compared at every attempt, and the checksum at the
end.
"""

import contextlib
import hashlib
import os
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from chatcli.errors import NetworkError
from chatcli.library.hub.cache import RepoCache, storing
from chatcli.library.hub.connection import Answer, Client
from chatcli.library.hub.listing import RemoteFile, refused
from chatcli.library.hub.lock import only_writer
from chatcli.library.hub.refusal import Passing
from chatcli.library.hub.retrying import Patience, Stop, retrying
from chatcli.words import byte_size

#: What is before a multiple of this is on the disk when what is behind it is written.
SYNC_EVERY = 2**26
_CHUNK = 2**18
_PAGE = 4096
_SHOWN = 2**28  # bytes that take long enough to hash to say so
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Changed(Exception):
    """The hub now names another content than its listing did."""


class Observer(Protocol):
    """Is told how files grow. Calls come from several threads."""

    def begin(self, file: RemoteFile, have: int) -> None:
        """A file is being fetched; ``have`` bytes of it are here."""

    def advance(self, file: RemoteFile, have: int) -> None:
        """So many bytes of it are here now."""

    def end(self, file: RemoteFile) -> None:
        """It is whole and verified."""

    def note(self, text: str) -> None:
        """Something worth a line."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """How a file came.

    Attributes:
        file: which.
        resumed_from: bytes of it that were here before.
        received: bytes of it that came over the network in this run.
        sha256: of its content.
    """

    file: RemoteFile
    resumed_from: int
    received: int
    sha256: str


@dataclass(slots=True)
class Transfer:
    """The fetching of one file.

    Args:
        client: asks the hub.
        cache: folder of its repository.
        commit: at which the file is taken.
        file: which.
        observer: is told how it goes.
        stop: ends it.
        patience: how often a failing connection is tried again.
        known: the sha256 that was computed of a file here, if it has not changed since.
    """

    client: Client
    cache: RepoCache
    commit: str
    file: RemoteFile
    observer: Observer
    stop: Stop
    patience: Patience = field(default_factory=Patience)
    known: Callable[[Path], str | None] = lambda _path: None
    _ranges: bool = True  # the server can be asked for a part
    _verified: str = ""
    _have: int = 0
    _received: int = 0
    _checksum: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _sha256: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def run(self) -> Fetched:
        """Fetch what is missing of the file, verify it, and give it its name.

        Raises:
            NetworkError: it cannot be had, or arrived damaged twice.
            StorageError: it cannot be written.
            Changed: the listing is out of date.
            Stopped: ``stop`` was set; what came is kept.
        """
        file, observer = self.file, self.observer
        if self._is_whole():
            return self._as_it_is()  # and needs no lock, which a cache that is only read could not give
        waiting = f"another program is fetching {file.path}; waiting for it"
        with only_writer(self.cache.lock(file.etag), self.stop.wait, lambda: observer.note(waiting)):
            if self._is_whole():
                return self._as_it_is()
            self._distrust()
            try:
                resumed_from = self._take_up()
                for last in (False, True):
                    self._fetch()
                    if self._checksum.hexdigest() == file.etag:
                        break
                    self._put_aside(last)
                self._publish()
            finally:
                self._drop_nothing()
        observer.end(file)
        return Fetched(file, resumed_from, self._received, self._sha256.hexdigest())

    def _is_whole(self) -> bool:
        """Whether the content is here, whoever fetched it: huggingface_hub looks at the size alone."""
        file, blob = self.file, self.cache.blob(self.file.etag)
        if not self.cache.has(file.etag, file.size):
            return False
        if self.known(blob) == file.etag:
            self._verified = file.etag
            return True
        shown = file.size >= _SHOWN
        if shown:
            self.observer.note(f"{file.path} is here; verifying its checksum")
            self.observer.begin(file, 0)
        self._restart()
        with storing(blob), blob.open("rb") as opened:
            self._take(opened, shown=shown)
        self._verified = self._sha256.hexdigest()
        return self._checksum.hexdigest() == file.etag

    def _as_it_is(self) -> Fetched:
        self.observer.begin(self.file, self.file.size)
        self.observer.end(self.file)
        return Fetched(self.file, self.file.size, 0, self._verified)

    def _distrust(self) -> None:
        """Put a damaged file aside; it has the name that programs load."""
        blob = self.cache.blob(self.file.etag)
        if blob.exists():
            damaged = self.cache.damaged(self.file.etag)
            with storing(blob):
                blob.replace(damaged)
            self.observer.note(f"{self.file.path} is here but damaged; fetching it again")

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
            self.observer.note(f"{self.file.path}: reading the {byte_size(sound)} that are here")
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
        def note(text: str) -> None:
            self.observer.note(f"{self.file.path}: {text}")

        partial = self.cache.partial(self.file.etag)
        with storing(partial), partial.open("r+b", buffering=0) as file:
            file.seek(self._have)

            def attempt() -> None:
                if self._have < self.file.size:
                    self._receive(file.write, lambda: os.fsync(file.fileno()))

            retrying(attempt, self.patience, self.stop, note, lambda: self._have)

    def _receive(self, write: Callable[[bytes], int | None], sync: Callable[[], None]) -> None:
        """One request for what is missing, written as it comes."""
        file = self.file
        path = urllib.parse.quote(file.path)
        url = f"{self.client.endpoint}/{self.cache.repo}/resolve/{self.commit}/{path}"
        headers = {"Range": f"bytes={self._have}-"} if self._have and self._ranges else {}
        with self.client.get(url, headers) as answer:
            try:
                self.stop.watch(answer)
                surplus = self._surplus(answer)
                while self._have < file.size:
                    data = answer.read(min(_CHUNK, file.size - self._have + surplus))
                    self.stop.check()
                    if not data:
                        raise Passing(f"{answer.host} cut the connection")
                    self._received += len(data)
                    data, surplus = data[surplus:], max(0, surplus - len(data))
                    before = self._have
                    _write_all(write, data)
                    self._count(data)
                    if before // SYNC_EVERY < self._have // SYNC_EVERY:
                        sync()
                    self.observer.advance(file, self._have)
            finally:
                self.stop.forget(answer)

    def _surplus(self, answer: Answer) -> int:
        """How many bytes at the beginning of an answer are here already: all, if the server knows no ranges.

        Raises:
            Changed: it is about another content.
            Passing: it is another part than was asked for; from now on all of it is asked for.
            NetworkError: it is not what was asked for.
        """
        file = self.file
        if answer.status in {401, 403, 404} and answer.announced is not answer.headers:
            # The content host's addresses are signed and expire: the hub gives a new one.
            raise Passing(f"{answer.host} answers {answer.status}")
        if answer.status not in {200, 206, 416}:
            raise refused(self.client, answer, self.cache.repo, f"{self.cache.repo}/{file.path}")
        named = answer.announced.get("x-linked-etag") or answer.announced.get("etag") or ""
        etag = named.removeprefix("W/").strip('"')
        if _HEX.fullmatch(etag) and etag != file.etag and len(etag) == len(file.etag):
            raise Changed
        length = answer.headers.get("content-length", "")
        if answer.status == 206:
            found = _RANGE.fullmatch(answer.headers.get("content-range", "").strip())
            if found and int(found[1]) == self._have and found[3] in {"*", str(file.size)}:
                return 0
        if answer.status in {206, 416}:
            self._ranges = False
            raise Passing(f"{answer.host} does not send the part that was asked for, so all is asked for")
        if length.isdigit() and int(length) != file.size:
            raise NetworkError(
                f"{answer.host} has {file.path} in another size than the {file.size} bytes its listing says; "
                "something on the way changes it (a proxy?), or try again later"
            )
        return self._have

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
        self._restart()

    def _drop_nothing(self) -> None:
        """A partial file without a byte is not kept."""
        partial = self.cache.partial(self.file.etag)
        with contextlib.suppress(OSError):
            if partial.stat().st_size == 0:
                partial.unlink()

    def _publish(self) -> None:
        """The one moment at which the file gets a name that programs load."""
        partial, blob = self.cache.partial(self.file.etag), self.cache.blob(self.file.etag)
        with storing(blob):
            with partial.open("r+b") as file:
                os.fsync(file.fileno())
            partial.replace(blob)
            sync_folder(blob.parent)
            self.cache.damaged(self.file.etag).unlink(missing_ok=True)


def sound_size(path: Path, size: int, whole: int) -> int:
    """How much of a partial file can be trusted after a power cut.

    File systems extend a file before its bytes reach the disk, and such a part then reads as zeros. A tail of
    zeros therefore counts as lost, back to where the disk was last waited for. The checksum at the end finds
    what this does not.

    Args:
        size: bytes of the partial file.
        whole: bytes of the whole one; a longer partial file is none.
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


def _write_all(write: Callable[[bytes], int | None], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[write(view) or 0 :]  # type: ignore[arg-type]
