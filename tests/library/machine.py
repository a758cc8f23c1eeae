"""A machine with a cache of its own, which pulls from the hub of the tests."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from chatcli.library.hub.client import RemoteFile
from chatcli.library.hub.pull import Pulled, Puller
from chatcli.library.hub.retry import Patience
from chatcli.library.hub.settings import HubSettings
from chatcli.library.names.hub_reference import Reference, parse_reference
from chatcli.library.stores.hub_cache import cached_files
from chatcli.library.stores.repo_cache import RepoCache
from tests.library.hub_server import HubServer, etag_of

CONTENT = hashlib.shake_256(b"weights").digest(1_000_000)
MODEL = "m-Q4_K_M.gguf"
HALF = len(CONTENT) // 2


@dataclass
class Recorder:
    """Keeps what it is told."""

    notes: list[str] = field(default_factory=list)
    begun: list[tuple[str, int]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def begin(self, file: RemoteFile, have: int) -> None:
        """Keep it."""
        self.begun.append((file.path, have))

    def advance(self, file: RemoteFile, have: int) -> None:
        """Never more than there is."""
        assert have <= file.size

    def end(self, file: RemoteFile) -> None:
        """Keep it."""
        self.ended.append(file.path)

    def note(self, text: str) -> None:
        """Keep it."""
        self.notes.append(text)


@dataclass
class Machine:
    """A machine with an empty cache, which pulls from a hub."""

    hub: HubServer
    root: Path
    recorder: Recorder = field(default_factory=Recorder)

    @property
    def cache(self) -> RepoCache:
        """The folder of its one repository."""
        return RepoCache(self.root, "u/r")

    def puller(self, *, timeout: float = 5.0, retries: int = 3, projector: bool = True) -> Puller:
        """What fetches models here."""
        place = HubSettings(self.hub.endpoint, self.root, timeout=timeout, anonymous=True)
        return Puller(place, self.recorder, projector, Patience(retries, first_pause=0.01))

    def pull(self, name: str = "u/r", *, timeout: float = 5.0, retries: int = 3) -> Pulled:
        """Fetch one."""
        return self.puller(timeout=timeout, retries=retries).pull([parse_reference(name)])[0]

    def leave_partial(self, content: bytes) -> Path:
        """As if an earlier pull had been killed."""
        path = self.cache.partial(etag_of(MODEL, CONTENT))
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        return path

    def starts(self) -> list[int]:
        """Where the requests for content began."""
        return [request.start for request in self.hub.requests("content")]


def cached_file(reference: Reference, root: Path) -> Path | None:
    """The file to load of a model in a cache, or None."""
    return next(iter(cached_files(reference, root)), None)
