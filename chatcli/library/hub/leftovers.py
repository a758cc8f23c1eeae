"""Unfinished and damaged downloads in the cache: no program loads them, and only their pull can use them."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chatcli.library.hub.cache import RepoCache, storing, total_size
from chatcli.library.hub.lock import only_writer


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a pull left behind.

    Attributes:
        cache: of the repository it came from.
        etag: of the content it was to become.
        path: the file.
    """

    cache: RepoCache
    etag: str
    path: Path

    @property
    def size(self) -> int:
        """Bytes of it that are here."""
        return total_size([self.path])

    def remove(self) -> bool:
        """Free its space; False: somebody is fetching it, and it stays.

        Raises:
            StorageError: it cannot be removed.
        """

        def busy(_seconds: float) -> None:
            raise _Busy

        with contextlib.suppress(_Busy), only_writer(self.cache.lock(self.etag), busy, lambda: None):
            with storing(self.path):
                self.path.unlink(missing_ok=True)
            self.cache.tidy()
            return True
        return False


def leftovers_in(root: Path) -> Iterator[Leftover]:
    """Those of all repositories in a cache."""
    for folder in sorted(root.glob("models--*--*")):
        cache = RepoCache(root, folder.name.removeprefix("models--").replace("--", "/", 1))
        yield from leftovers_of(cache)


def leftovers_of(cache: RepoCache) -> Iterator[Leftover]:
    """Those of a repository."""
    for etag, path in cache.leftovers():
        yield Leftover(cache, etag, path)


class _Busy(Exception):
    """Another process holds the lock."""
