"""Pulls models: which files, whether the disk holds them, several at once, names for them at the end."""

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from chatcli.errors import ChatcliError, ModelNotFound, NetworkError, StorageError
from chatcli.library.hub.client import HubClient, Listing, RemoteFile
from chatcli.library.hub.download import Changed, FileDownload, Observer, PulledFile
from chatcli.library.hub.retry import Patience, Stop, retrying
from chatcli.library.hub.settings import HubSettings
from chatcli.library.names.hub_reference import Reference
from chatcli.library.names.repo_files import FileChoice, choose_file, choose_files, is_projector
from chatcli.library.stores.hub_cache import cached_files
from chatcli.library.stores.local_model import size_of
from chatcli.library.stores.repo_cache import (
    DEFAULT_REVISION,
    RepoCache,
    free_space,
    storing,
    tidy,
)
from chatcli.words import byte_size, listed

#: Files downloaded at the same time.
CONNECTIONS = 4
#: Bytes left free for everything else on the disk.
_SPARE = 2**26
_MOST_SHOWN, _SHOWN = 3, 120  # names in a message, and characters of each
_LEAVE = 2.0  # seconds that threads get to end their last write


@dataclass(frozen=True, slots=True)
class Pulled:
    """A model that is here now.

    Attributes:
        reference: as asked for.
        files: the one to load first, then its other parts, then its projector.
    """

    reference: Reference
    files: tuple[PulledFile, ...]

    @property
    def path(self) -> Path:
        """The file to load."""
        return self.files[0].path

    @property
    def projector(self) -> Path | None:
        """Path of the downloaded projector, or None."""
        last = self.files[-1].path
        return last if len(self.files) > 1 and is_projector(last.name) else None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The files of one reference."""

    reference: Reference
    listing: Listing
    cache: RepoCache
    files: tuple[RemoteFile, ...]


@dataclass(slots=True)
class Puller:
    """Pulls models from one hub.

    Args:
        settings: the hub and the cache.
        observer: is told how it goes.
        projector: whether a vision projector is downloaded with its model.
        patience: how often a failing connection is tried again.
        connections: files downloaded at the same time.
        known: the sha256 that was computed of a file here, or None if it changed since.
    """

    settings: HubSettings
    observer: Observer
    projector: bool = True
    patience: Patience = field(default_factory=Patience)
    connections: int = CONNECTIONS
    known: Callable[[Path], str | None] = lambda _path: None
    _stop: Stop = field(default_factory=Stop)

    def pull(self, references: Sequence[Reference]) -> list[Pulled]:
        """Pull models; what is here already is not downloaded again.

        Raises:
            ModelNotFound: no such repository, file or quantization; offline: it is not in the cache.
            UsageError: several files fit.
            NetworkError: the hub refuses, cannot be reached, or sends something else.
            StorageError: the disk is too small, or cannot be written.
            KeyboardInterrupt: the user ended it; what came is kept.
        """
        if self.settings.offline:
            return [self._from_cache(reference) for reference in references]
        client = HubClient(self.settings)
        with contextlib.suppress(Changed):
            return self._fetch_all(client, references)
        self.observer.note("the repository changed meanwhile; looking again")
        try:
            return self._fetch_all(client, references)
        except Changed:
            raise NetworkError("the repository keeps changing while it is fetched; try again later") from None

    def _from_cache(self, reference: Reference) -> Pulled:
        paths = cached_files(reference, self.settings.cache)
        if not paths:
            raise ModelNotFound(
                f"{reference} is not in {self.settings.cache}, and nothing is fetched offline; "
                "pull it without --offline and HF_HUB_OFFLINE"
            )
        files = (PulledFile(path, path, "", size := path.stat().st_size, size) for path in paths)
        return Pulled(reference, tuple(files))

    def _fetch_all(self, client: HubClient, references: Iterable[Reference]) -> list[Pulled]:
        wanted = [self._wanted(client, reference) for reference in references]
        self._check_space(wanted)
        downloads = {
            (one.cache.repo, file.etag): FileDownload(
                *(client, one.cache, one.listing.commit, file),
                *(self.observer, self._stop, self.patience, self.known),
            )
            for one in wanted
            for file in one.files
        }
        # The largest first: it takes longest.
        ordered = sorted(downloads, key=lambda key: -downloads[key].file.size)
        try:
            done = dict(zip(ordered, self._run([downloads[key].run for key in ordered]), strict=True))
        except BaseException:
            for one in wanted:
                tidy(one.cache.folder)
            raise
        return [self._name(one, [done[one.cache.repo, file.etag] for file in one.files]) for one in wanted]

    def _wanted(self, client: HubClient, reference: Reference) -> _Wanted:
        repo, revision = reference.repo, reference.revision
        listing = retrying(
            lambda: client.listing(repo, revision), self.patience, self._stop, self.observer.note
        )
        if listing.unsafe:
            self.observer.note(f"{repo}: {_unsafe(listing)}; left out")
        choice = _chosen(reference, listing)
        paths = choice.all_files if self.projector else choice.files
        files = tuple(listing.files[path] for path in paths)
        return _Wanted(reference, listing, RepoCache(self.settings.cache, repo), files)

    def _check_space(self, wanted: Iterable[_Wanted]) -> None:
        missing: dict[Path, int] = {}
        for one in wanted:
            cache, commit = one.cache, one.listing.commit
            for file in one.files:
                if not cache.has(file.etag, file.size):
                    partial = cache.partial(file.etag)
                    missing[partial] = file.size - size_of([partial])
                if cache.needs_copy(commit, file.path, file.etag, symbolic=self.settings.symlinks):
                    missing[cache.snapshot(commit, file.path)] = file.size
        with storing(self.settings.cache):
            needed, free = sum(missing.values()), free_space(self.settings.cache)
        if missing and needed + _SPARE > free:
            raise StorageError(
                f"{byte_size(needed)} are needed, and {self.settings.cache} has {byte_size(free)} free, "
                f"{byte_size(_SPARE)} of which are kept free; make room, or set HF_HUB_CACHE to a larger disk"
            )

    def _run(self, works: list[Callable[[], PulledFile]]) -> list[PulledFile]:
        """Do all, several at a time; the first failure ends the others, which keep what they have."""
        waiting = deque(enumerate(works))
        ended: queue.SimpleQueue[tuple[int, PulledFile | BaseException]] = queue.SimpleQueue()

        def work() -> None:
            while waiting:
                with contextlib.suppress(IndexError):  # another thread took the last one
                    number, download = waiting.popleft()
                    try:
                        ended.put((number, download()))
                    except BaseException as error:
                        ended.put((number, error))

        # Daemons, unlike an executor's: a thread may hang in a name server's answer when the program ends.
        count = min(self.connections, len(works))
        threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        results: dict[int, PulledFile] = {}
        try:
            while len(results) < len(works):
                number, result = ended.get()
                if isinstance(result, BaseException):
                    raise result
                results[number] = result
        except BaseException:
            self._stop.set()
            for thread in threads:
                thread.join(_LEAVE)
            self._stop = Stop()
            raise
        return [results[number] for number in range(len(works))]

    def _name(self, wanted: _Wanted, files: list[PulledFile]) -> Pulled:
        """Give the files their names, only now that all parts are here, and that of the first part last."""
        cache, commit = wanted.cache, wanted.listing.commit
        named = [
            replace(one, path=cache.link(commit, file.path, file.etag, symbolic=self.settings.symlinks))
            for file, one in reversed(list(zip(wanted.files, files, strict=True)))
        ]
        revision = wanted.reference.revision or DEFAULT_REVISION
        if revision != commit:
            cache.set_commit(revision, commit)
        if wanted.reference.revision is None:
            self._clear(cache, {file.etag for file in wanted.listing.files.values()})
        return Pulled(wanted.reference, tuple(reversed(named)))

    def _clear(self, cache: RepoCache, current: set[str]) -> None:
        """Remove unfinished downloads of content that the repository no longer has, unless in use."""
        for download in cache.unfinished():
            size = download.size
            with contextlib.suppress(StorageError):  # the model is here, whatever else can be tidied up
                if download.etag not in current and download.remove():
                    self.observer.note(
                        f"removed {byte_size(size)} of an unfinished download of a former version"
                    )


def _chosen(reference: Reference, listing: Listing) -> FileChoice:
    """The files a reference means, with the repository's name in the error."""
    try:
        if reference.file is not None:
            return choose_file(listing.files, reference.file)
        return choose_files(listing.files, reference.tag)
    except ChatcliError as error:
        missing = f"; {_unsafe(listing)}" if listing.unsafe and isinstance(error, ModelNotFound) else ""
        raise type(error)(f"{reference.repo}: {error}{missing}") from None


def _unsafe(listing: Listing) -> str:
    shown = listed((repr(name)[:_SHOWN] for name in listing.unsafe), most=_MOST_SHOWN)
    return f"{shown} cannot be used safely as the name of a file"
