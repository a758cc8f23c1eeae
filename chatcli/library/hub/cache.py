"""The cache folder that huggingface_hub and llama.cpp share: ``models--U--R/{refs,blobs,snapshots}``.

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chatcli.errors import ChatcliError, ModelNotFound, StorageError
from chatcli.library.names.hub_reference import Reference, choose_file, choose_files

PARTIAL = ".chatcli-partial"
#: A download whose checksum is wrong, put aside.
DAMAGED = ".chatcli-damaged"
DEFAULT_REVISION = "main"


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
        """Where the content with this ETag is, once it is whole."""
        return self.folder / "blobs" / etag

    def partial(self, etag: str) -> Path:
        """Where it grows until then."""
        return self.folder / "blobs" / f"{etag}{PARTIAL}"

    def damaged(self, etag: str) -> Path:
        """Where it is put aside when its checksum is wrong."""
        return self.folder / "blobs" / f"{etag}{DAMAGED}"

    def lock(self, etag: str) -> Path:
        """The lock file of whoever fetches it; the one huggingface_hub takes."""
        return self.root / ".locks" / self.folder.name / f"{etag}.lock"

    def snapshot(self, commit: str, path: str) -> Path:
        """Where a file of a commit is found by its name."""
        # In UTF-8 whatever the locale, as the arguments of a command are.
        return self.folder / "snapshots" / commit / os.fsdecode(path.encode())

    def commit(self, revision: str) -> str | None:
        """The commit a branch or tag was at when it was last fetched."""
        try:
            commit = (self.folder / "refs" / revision).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        return commit if commit.isalnum() else None

    def set_commit(self, revision: str, commit: str) -> None:
        """Remember at which commit a branch or tag is.

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
        """Whether the whole content is there."""
        return _size(self.blob(etag)) == size

    def link(
        self, commit: str, path: str, etag: str, *, symbolic: bool = True, unchanged: bool = False
    ) -> Path:
        """Give a blob its name in a commit: a relative link; where there are none a second name or a copy.

        Args:
            symbolic: links may be made.
            unchanged: what has the name is known to have this content.

        Raises:
            StorageError: it cannot be written.
        """
        pointer, blob = self.snapshot(commit, path), self.blob(etag)
        if unchanged or _is_same(pointer, blob):
            return pointer  # also where nothing can be written, as in a cache that many share
        with storing(pointer):
            pointer.parent.mkdir(parents=True, exist_ok=True)
            temporary = pointer.with_name(f".{secrets.token_hex(8)}{PARTIAL}")
            try:
                target = os.path.relpath(blob, pointer.parent)
                if not (symbolic and _linked(temporary, target)) and not _named_twice(temporary, blob):
                    shutil.copyfile(blob, temporary)
                temporary.replace(pointer)
            finally:
                temporary.unlink(missing_ok=True)
        return pointer

    def snapshots(self, revision: str | None) -> Iterator[Path]:
        """Folders of commits to look in: that of the revision; without one, then the newest first."""
        folder = self.folder / "snapshots"
        wanted = self.commit(revision or DEFAULT_REVISION) or revision
        first = folder / wanted if wanted else None
        if first is not None and first.is_dir():
            yield first
        if revision is None and folder.is_dir():
            others = [path for path in folder.iterdir() if path.is_dir() and path != first]
            yield from sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)

    def shares(self, commit: str, path: str, etag: str, *, symbolic: bool = True) -> bool:
        """Whether a blob and its name in a commit will be one file, or are; else its bytes are there twice.

        Tried where they will be, and left without a trace.
        """
        pointer, blob = self.snapshot(commit, path), self.blob(etag)
        if pointer.is_file():
            return True
        with (
            contextlib.suppress(OSError),
            tempfile.NamedTemporaryFile(dir=_nearest(blob.parent), suffix=PARTIAL) as file,
        ):
            name = _nearest(pointer.parent) / f".{secrets.token_hex(8)}{PARTIAL}"
            try:
                return (symbolic and _linked(name, file.name)) or _named_twice(name, Path(file.name))
            finally:
                name.unlink(missing_ok=True)
        return True  # nothing can be written there, a copy neither

    def tidy(self) -> None:
        """Remove the folder if no file of the repository is here."""
        tidy(self.folder)

    def leftovers(self) -> Iterator[tuple[str, Path]]:
        """Unfinished and damaged downloads: the ETag each is of, and the file."""
        folder = self.folder / "blobs"
        for ending in (PARTIAL, DAMAGED):
            for path in folder.glob(f"*{ending}") if folder.is_dir() else ():
                yield path.name.removesuffix(ending), path


def cached_file(reference: Reference, cache_root: Path) -> Path | None:
    """The file of a model that was fetched before, by whichever program, ready to be loaded.

    Args:
        reference: without a tag: the preferred one of those that are here.
        cache_root: the cache, see ``place.cache_root``.

    Returns:
        the path by its own name, in the newest snapshot that has it; of a split model the first part, if all
        parts are here. None: not here.

    Raises:
        UsageError: several files that are here fit.
    """
    files = cached_files(reference, cache_root)
    return files[0] if files else None


def cached_files(reference: Reference, cache_root: Path) -> tuple[Path, ...]:
    """All parts of a model that was fetched before, and its projector if it is here; see ``cached_file``."""
    for snapshot in RepoCache(cache_root, reference.repo).snapshots(reference.revision):
        # is_file: a link to a blob that was deleted, or is not whole yet, is none.
        there = [
            p.relative_to(snapshot).as_posix() for p in snapshot.rglob("*.[gG][gG][uU][fF]") if p.is_file()
        ]
        try:
            if reference.file is not None:
                choice = choose_file(there, reference.file)
            else:
                choice = choose_files(there, reference.tag)
        except ModelNotFound:
            continue
        names = (*choice.files, *((choice.projector,) if choice.projector else ()))
        return tuple(snapshot / name for name in names)
    return ()


def free_space(folder: Path) -> int:
    """Bytes that can be written where ``folder`` is or will be."""
    return shutil.disk_usage(_nearest(folder)).free


def tidy(repository: Path) -> None:
    """Remove the folder of a repository of which no file is here.

    Whoever puts one into it meanwhile keeps it: only empty folders can be removed.
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
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StorageError(
            f"cannot write {path}: {reason}; free space or mend its permissions, or set HF_HUB_CACHE to "
            "another folder; what came is kept"
        ) from error


def _nearest(folder: Path) -> Path:
    """The folder, or the one above it that is there."""
    return next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))


def _is_same(name: Path, blob: Path) -> bool:
    """Whether a name leads to a blob, or to a copy of it."""
    try:
        return name.samefile(blob) or filecmp.cmp(name, blob, shallow=False)
    except OSError:
        return False


def _linked(name: Path, target: str) -> bool:
    """Whether a symbolic link could be made; not on FAT, nor on Windows without the privilege."""
    try:
        name.symlink_to(target)
    except OSError:
        return False
    return True


def _named_twice(name: Path, blob: Path) -> bool:
    """Whether a file could be given a second name; not on FAT."""
    try:
        name.hardlink_to(blob)
    except OSError:
        return False
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def total_size(paths: Sequence[Path]) -> int:
    """Bytes of files, those that are not there counting nothing."""
    return sum(max(0, _size(path)) for path in paths)
