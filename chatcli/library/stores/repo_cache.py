"""The folder of one repository in the cache of huggingface_hub and llama.cpp: ``{refs,blobs,snapshots}``.

A blob is named by the ETag of its content, a snapshot is a commit with a link to a blob for every file, and
``refs/main`` names the newest commit. Layout: huggingface_hub's guide "Understand caching". A blob gets its
name only when it is whole and verified; until then its name ends in ``PARTIAL``, which no program loads.
"""

import contextlib
import filecmp
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chatcli.errors import ChatcliError, StorageError
from chatcli.library.stores.local_model import size_of

PARTIAL = ".chatcli-partial"
#: Ending of a download whose checksum is wrong.
DAMAGED = ".chatcli-damaged"
DEFAULT_REVISION = "main"
_PAUSE = 0.1  # seconds between two looks at a lock that another process holds


@dataclass(frozen=True, slots=True)
class RepoCache:
    """The folder of one repository.

    Args:
        root: the cache.
        repo: ``user/name``.
    """

    root: Path
    repo: str

    @property
    def folder(self) -> Path:
        """The repository's folder."""
        return self.root / f"models--{self.repo.replace('/', '--')}"

    def blob(self, etag: str) -> Path:
        """Path of the whole, verified content with this ETag."""
        return self.folder / "blobs" / etag

    def partial(self, etag: str) -> Path:
        """Path of the content while it is being downloaded."""
        return self.folder / "blobs" / f"{etag}{PARTIAL}"

    def damaged(self, etag: str) -> Path:
        """Path of a download whose checksum is wrong."""
        return self.folder / "blobs" / f"{etag}{DAMAGED}"

    def snapshot(self, commit: str, path: str) -> Path:
        """Path of a file of a commit by its name."""
        # In UTF-8 whatever the locale, as the arguments of a command are.
        return self.folder / "snapshots" / commit / os.fsdecode(path.encode())

    def commit(self, revision: str) -> str | None:
        """The commit a branch or tag was at when it was last fetched, or None."""
        try:
            commit = (self.folder / "refs" / revision).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        return commit if commit.isalnum() else None

    def set_commit(self, revision: str, commit: str) -> None:
        """Record at which commit a branch or tag is.

        Raises:
            StorageError: it cannot be written.
        """
        path = self.folder / "refs" / revision
        if self.commit(revision) == commit:
            return
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            temporary.write_text(commit, encoding="ascii")
            temporary.replace(path)

    def has(self, etag: str, size: int) -> bool:
        """Whether a file of this size has the name of the whole content."""
        blob = self.blob(etag)
        return blob.is_file() and size_of([blob]) == size

    def link(self, commit: str, path: str, etag: str, *, symbolic: bool = True) -> Path:
        """Give a blob its name in a commit: a relative link, else a hard link, else a copy.

        Raises:
            StorageError: it cannot be written.
        """
        pointer, blob = self.snapshot(commit, path), self.blob(etag)
        if _is_same(pointer, blob):
            return pointer  # also where nothing can be written, as in a cache that many share
        with storing(pointer):
            pointer.parent.mkdir(parents=True, exist_ok=True)
            temporary = pointer.with_name(f".{secrets.token_hex(8)}{PARTIAL}")
            try:
                if not _linked(temporary, blob, symbolic=symbolic):
                    shutil.copyfile(blob, temporary)
                temporary.replace(pointer)
            finally:
                temporary.unlink(missing_ok=True)
        return pointer

    def needs_copy(self, commit: str, path: str, etag: str, *, symbolic: bool = True) -> bool:
        """Whether the disk knows no links, so that a file's bytes will be there twice. Leaves no trace."""
        pointer = self.snapshot(commit, path)
        if pointer.is_file():
            return False
        with contextlib.suppress(OSError):
            blobs, names = _nearest(self.blob(etag).parent), _nearest(pointer.parent)
            with tempfile.NamedTemporaryFile(dir=blobs, suffix=PARTIAL) as file:
                name = names / f".{secrets.token_hex(8)}{PARTIAL}"
                try:
                    return not _linked(name, Path(file.name), symbolic=symbolic)
                finally:
                    name.unlink(missing_ok=True)
        return False  # nothing can be written there, a copy neither

    def snapshots(self, revision: str | None) -> Iterator[Path]:
        """Folders of commits to look in: that of the revision; without one, then the newest first."""
        folder = self.folder / "snapshots"
        wanted = self.commit(revision or DEFAULT_REVISION) or revision
        first = folder / wanted if wanted else None
        if first is not None and first.is_dir():
            yield first
        if revision is None:
            with contextlib.suppress(OSError):  # missing, or unreadable
                others = [path for path in folder.iterdir() if path.is_dir() and path != first]
                yield from sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)

    def lock_file(self, etag: str) -> Path:
        """The lock file that huggingface_hub takes, too."""
        return self.root / ".locks" / self.folder.name / f"{etag}.lock"

    @contextlib.contextmanager
    def lock(self, etag: str, wait: Callable[[float], None], on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the lock on a content while the block runs.

        Args:
            wait: pauses for so many seconds, or raises to give up.
            on_wait: called once if another process holds the lock.

        Raises:
            StorageError: the file system cannot lock.
        """
        from filelock import FileLock, Timeout  # 30 ms

        path = self.lock_file(etag)
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock, waited = FileLock(path, timeout=0), False
            while True:
                try:
                    lock.acquire()
                    break
                except Timeout:
                    if not waited:
                        on_wait()
                    waited = True
                    wait(_PAUSE)
        try:
            yield
        finally:
            lock.release()

    def unfinished(self) -> Iterator["UnfinishedDownload"]:
        """Unfinished and damaged downloads of this repository."""
        folder = self.folder / "blobs"
        for ending in (PARTIAL, DAMAGED):
            for path in folder.glob(f"*{ending}") if folder.is_dir() else ():
                yield UnfinishedDownload(self, path.name.removesuffix(ending), path)


@dataclass(frozen=True, slots=True)
class UnfinishedDownload:
    """A download that was stopped, or is damaged. No program loads it, and only its pull can use it.

    Attributes:
        cache: of its repository.
        etag: of the content it was to become.
        path: the file.
    """

    cache: RepoCache
    etag: str
    path: Path

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return size_of([self.path])

    def remove(self) -> bool:
        """Delete it. Returns False, and keeps it, if another process is downloading it.

        Raises:
            StorageError: it cannot be removed.
        """

        def busy(_seconds: float) -> None:
            raise _Busy

        with contextlib.suppress(_Busy), self.cache.lock(self.etag, busy, lambda: None):
            with storing(self.path):
                self.path.unlink(missing_ok=True)
            tidy(self.cache.folder)
            return True
        return False


class _Busy(Exception):
    """Another process holds the lock."""


def unfinished_in(root: Path) -> Iterator[UnfinishedDownload]:
    """Unfinished and damaged downloads of all repositories in a cache."""
    for folder in sorted(root.glob("models--*--*")):
        yield from RepoCache(root, folder.name.removeprefix("models--").replace("--", "/", 1)).unfinished()


def free_space(folder: Path) -> int:
    """Bytes that can be written where ``folder`` is or will be."""
    return shutil.disk_usage(_nearest(folder)).free


def tidy(repository: Path) -> None:
    """Remove the folder of a repository of which no file is here.

    A file that another process puts into it meanwhile is kept: only empty folders can be removed.
    """
    inside = [path for kind in ("blobs", "snapshots") for path in (repository / kind).rglob("*")]
    if any(path.is_symlink() or not path.is_dir() for path in inside):
        return
    refs = list((repository / "refs").rglob("*"))
    with contextlib.suppress(OSError):
        for ref in refs:
            if ref.is_file():
                ref.unlink()
    kinds = (repository / kind for kind in ("blobs", "snapshots", "refs"))
    for folder in sorted((repository, *kinds, *inside, *refs), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an error of the file system into one line: what could not be written, and what to do.

    Raises:
        StorageError: instead of any OSError.
    """
    try:
        yield
    except ChatcliError:
        raise
    except (OSError, NotImplementedError) as error:  # filelock: this file system has no locks
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise StorageError(
            f"cannot write {path}: {reason}; free space or change its permissions, or set HF_HUB_CACHE to "
            "another folder; what came is kept"
        ) from error


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))


def _is_same(name: Path, blob: Path) -> bool:
    """Whether a name leads to a blob, or to a copy of it."""
    try:
        return name.samefile(blob) or filecmp.cmp(name, blob, shallow=False)
    except OSError:
        return False


def _linked(name: Path, blob: Path, *, symbolic: bool) -> bool:
    """Make a symbolic link, else a hard link. FAT has neither; Windows wants a privilege."""
    if symbolic:
        with contextlib.suppress(OSError):
            name.symlink_to(os.path.relpath(blob, name.parent))
            return True
    with contextlib.suppress(OSError):
        name.hardlink_to(blob)
        return True
    return False
