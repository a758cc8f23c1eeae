"""Fetching models: which files, whether the disk holds them, several at once, names for them at the end."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chatcli.errors import ChatcliError, ModelNotFound, NetworkError, StorageError
from chatcli.library.hub.cache import (
    DEFAULT_REVISION,
    RepoCache,
    cached_files,
    free_space,
    storing,
    total_size,
)
from chatcli.library.hub.connection import Client
from chatcli.library.hub.leftovers import leftovers_of
from chatcli.library.hub.listing import Listing, RemoteFile, read_listing
from chatcli.library.hub.place import Place
from chatcli.library.hub.retrying import Patience, Stop, retrying
from chatcli.library.hub.transfer import Changed, Fetched, Observer, Transfer
from chatcli.library.names.hub_reference import Choice, Reference, choose_file, choose_files, is_projector
from chatcli.words import byte_size, listed

#: Files fetched at the same time.
CONNECTIONS = 4
#: Left free for everything else on the disk.
_SPARE = 2**26
_MOST_SHOWN, _SHOWN = 3, 120  # names in a message, and characters of each
_LEAVE = 2.0  # seconds that threads get to end their last write


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
    received: int


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
        """What lets it see, where that came too."""
        last = self.files[-1].path
        return last if len(self.files) > 1 and is_projector(last.name) else None


@dataclass(frozen=True, slots=True)
class _Plan:
    reference: Reference
    listing: Listing
    cache: RepoCache
    files: tuple[RemoteFile, ...]


@dataclass(slots=True)
class Puller:
    """Fetches models from one hub.

    Args:
        place: the hub and the cache.
        observer: is told how it goes.
        projector: whether a vision projector is fetched with its model.
        patience: how often a failing connection is tried again.
        connections: files fetched at the same time.
        known: the sha256 that was computed of a file here, if it has not changed since; else it is read.
    """

    place: Place
    observer: Observer
    projector: bool = True
    patience: Patience = field(default_factory=Patience)
    connections: int = CONNECTIONS
    known: Callable[[Path], str | None] = lambda _path: None
    _stop: Stop = field(default_factory=Stop)

    def pull(self, references: Sequence[Reference]) -> list[Pulled]:
        """Fetch models; what is here already is not fetched again.

        Raises:
            ModelNotFound: no such repository, file or quantization; offline: it is not in the cache.
            UsageError: several files fit.
            NetworkError: the hub refuses, cannot be reached, or sends something else.
            StorageError: the disk is too small, or cannot be written.
            KeyboardInterrupt: the person ended it; what came is kept.
        """
        if self.place.offline:
            return [self._from_cache(reference) for reference in references]
        client = Client(self.place.endpoint, self.place.token(), self.place.timeout)
        try:
            return self._fetch_all(client, references)
        except Changed:
            self.observer.note("the repository changed meanwhile; looking again")
        try:
            return self._fetch_all(client, references)
        except Changed:
            raise NetworkError("the repository keeps changing while it is fetched; try again later") from None

    def _from_cache(self, reference: Reference) -> Pulled:
        paths = cached_files(reference, self.place.cache)
        if not paths:
            raise ModelNotFound(
                f"{reference} is not in {self.place.cache}, and nothing is fetched offline; "
                "pull it without --offline and HF_HUB_OFFLINE"
            )
        files = tuple(PulledFile(path, path, "", size := path.stat().st_size, size, 0) for path in paths)
        return Pulled(reference, files)

    def _fetch_all(self, client: Client, references: Iterable[Reference]) -> list[Pulled]:
        plans = [self._plan(client, reference) for reference in references]
        self._check_space(plans)
        transfers = {
            (plan.cache.repo, file.etag): Transfer(
                *(client, plan.cache, plan.listing.commit, file),
                *(self.observer, self._stop, self.patience, self.known),
            )
            for plan in plans
            for file in plan.files
        }
        # The largest first: it takes longest.
        ordered = sorted(transfers, key=lambda key: -transfers[key].file.size)
        try:
            fetched = dict(zip(ordered, self._run([transfers[key].run for key in ordered]), strict=True))
        except BaseException:
            for plan in plans:
                plan.cache.tidy()
            raise
        return [
            self._name(plan, [(file.path, fetched[plan.cache.repo, file.etag]) for file in plan.files])
            for plan in plans
        ]

    def _plan(self, client: Client, reference: Reference) -> _Plan:
        repo, revision = reference.repo, reference.revision
        listing = retrying(
            lambda: read_listing(client, repo, revision), self.patience, self._stop, self.observer.note
        )
        if listing.unsafe:
            self.observer.note(f"{repo}: {_unsafe(listing)}; left out")
        choice = _chosen(reference, listing)
        paths = choice.files
        if self.projector and choice.projector is not None:
            paths += (choice.projector,)
        return _Plan(
            reference, listing, RepoCache(self.place.cache, repo), tuple(listing.files[p] for p in paths)
        )

    def _check_space(self, plans: Iterable[_Plan]) -> None:
        missing: dict[Path, int] = {}
        for plan in plans:
            cache, commit = plan.cache, plan.listing.commit
            for file in plan.files:
                if not cache.has(file.etag, file.size):
                    partial = cache.partial(file.etag)
                    missing[partial] = file.size - total_size([partial])
                if not cache.shares(commit, file.path, file.etag, symbolic=self.place.symlinks):
                    missing[cache.snapshot(commit, file.path)] = file.size
        with storing(self.place.cache):
            needed, free = sum(missing.values()), free_space(self.place.cache)
        if missing and needed + _SPARE > free:
            raise StorageError(
                f"{byte_size(needed)} are needed, and {self.place.cache} has {byte_size(free)} free, "
                f"{byte_size(_SPARE)} of which are kept free; make room, or set HF_HUB_CACHE to a larger disk"
            )

    def _run(self, works: list[Callable[[], Fetched]]) -> list[Fetched]:
        """Do all, several at a time; the first failure ends the others, which keep what they have."""
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        ended: queue.SimpleQueue[tuple[int, Fetched | BaseException]] = queue.SimpleQueue()
        for number in range(len(works)):
            waiting.put(number)

        def work() -> None:
            with contextlib.suppress(queue.Empty):
                while True:
                    number = waiting.get_nowait()
                    try:
                        ended.put((number, works[number]()))
                    except BaseException as error:
                        ended.put((number, error))

        # Not waited for when the program ends: a thread may hang in a name server's answer.
        threads = [
            threading.Thread(target=work, daemon=True) for _ in range(min(self.connections, len(works)))
        ]
        for thread in threads:
            thread.start()
        results: dict[int, Fetched] = {}
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

    def _name(self, plan: _Plan, fetched: list[tuple[str, Fetched]]) -> Pulled:
        """Give the files their names, only now that all parts are here, and that of the first part last."""
        cache, commit = plan.cache, plan.listing.commit
        paths = [self._link(cache, commit, path, one) for path, one in reversed(fetched)][::-1]
        revision = plan.reference.revision or DEFAULT_REVISION
        if revision != commit:
            cache.set_commit(revision, commit)
        if plan.reference.revision is None:
            self._clear(cache, {file.etag for file in plan.listing.files.values()})
        return Pulled(
            plan.reference,
            tuple(
                PulledFile(
                    path,
                    cache.blob(one.file.etag),
                    one.sha256,
                    one.file.size,
                    one.resumed_from,
                    one.received,
                )
                for path, (_, one) in zip(paths, fetched, strict=True)
            ),
        )

    def _link(self, cache: RepoCache, commit: str, path: str, one: Fetched) -> Path:
        unchanged = self.known(cache.snapshot(commit, path)) == one.sha256
        return cache.link(commit, path, one.file.etag, symbolic=self.place.symlinks, unchanged=unchanged)

    def _clear(self, cache: RepoCache, current: set[str]) -> None:
        """Remove unfinished downloads of content that the repository no longer has, unless in use."""
        for leftover in leftovers_of(cache):
            size = leftover.size
            with contextlib.suppress(StorageError):  # the model is here, whatever else can be tidied up
                if leftover.etag not in current and leftover.remove():
                    self.observer.note(
                        f"removed {byte_size(size)} of an unfinished download of a former version"
                    )


def _chosen(reference: Reference, listing: Listing) -> Choice:
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
