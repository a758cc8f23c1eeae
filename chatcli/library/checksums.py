"""The sha256 of models, computed once a file: records of judgements hang on it, and 40 GB take half a minute.

A file counts as unchanged while size, inode and times are what they were: of its content, which programs
can set as they like, and of its inode, which they cannot. Paths are kept as
hashes, since names of files are private. The file may be deleted at any time.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from chatcli.engine.base import Cancellation
from chatcli.errors import ModelError
from chatcli.files.disk import FileStamp, stamp_of
from chatcli.files.replace import read_cache, write_cache

_PIECE = 1 << 22  # bytes read at once, and between two looks at the cancellation
_MOST = 1000  # entries kept, the newest


class _Entry(msgspec.Struct, frozen=True):
    size: int
    mtime_ns: int
    inode: int
    sha256: str
    ctime_ns: int = 0

    @property
    def stamp(self) -> FileStamp:
        """The file when its checksum was computed."""
        return FileStamp(self.size, self.mtime_ns, self.inode, self.ctime_ns)


class _File(msgspec.Struct):
    files: dict[str, _Entry] = {}
    names: dict[str, str] = {}


def sha256_of(
    path: Path, cancel: Cancellation | None = None, on_progress: Callable[[int], None] = lambda _done: None
) -> str:
    """Hash a file, in hexadecimal; about a second for each GB.

    Args:
        path: the file.
        cancel: set it, from any thread, to give up.
        on_progress: told how many bytes were read.

    Raises:
        ModelError: it cannot be read, or ``cancel`` was set.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                on_progress(file.tell())
                if cancel is not None and cancel.is_set():
                    raise ModelError(f"the checksum of {path.name} was interrupted")
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None
    return digest.hexdigest()


class Checksums:
    """The cache of checksums.

    Args:
        path: the cache; it need not exist, nor its folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, files: Sequence[Path]) -> str | None:
        """The sha256 of a model whose files are as they were when it was computed; reads none of them."""
        content = read_cache(self._path, _File)
        found = [_current(content, file) for file in files]
        return None if None in found else _combined([sha256 for sha256 in found if sha256])

    def of(self, files: Sequence[Path], cancel: Cancellation | None = None) -> str:
        """The sha256 of a model; only files that are new or changed are read.

        Of a model in one file it is the file's; of a split one, that of its files' hashes in order, each in
        hexadecimal on a line.

        Raises:
            ModelError: a file cannot be read, or ``cancel`` was set.
        """
        content = read_cache(self._path, _File)
        hashes = []
        for file in files:
            sha256 = _current(content, file)
            if sha256 is None:
                before = stamp_of(file)
                sha256 = sha256_of(file, cancel)
                if before is not None and before == stamp_of(file):  # else it was written to meanwhile
                    self._remember(file, before, sha256)
            hashes.append(sha256)
        return _combined(hashes)

    def recorded(self, file: Path) -> str:
        """The sha256 recorded for the file at that place, even if it changed since; '' if there is none."""
        entry = read_cache(self._path, _File).files.get(_key(_place(file)))
        return entry.sha256 if entry is not None else ""

    def remember(self, file: Path, sha256: str) -> None:
        """Record a sha256 that was computed elsewhere from all bytes of a file, such as a download."""
        stamp = stamp_of(file)
        if stamp is not None:
            self._remember(file, stamp, sha256)

    def former(self, name: str, sha256: str) -> str:
        """The sha256 that a name stood for when it was last used, if that was another one; '' otherwise.

        From now on it stands for ``sha256``.
        """
        content, key = read_cache(self._path, _File), _key(name)
        before = content.names.pop(key, "")
        if before == sha256:
            return ""
        content.names = dict([*list(content.names.items())[1 - _MOST :], (key, sha256)])
        write_cache(self._path, content)
        return before

    def _remember(self, file: Path, stamp: FileStamp, sha256: str) -> None:
        content, key = read_cache(self._path, _File), _key(_place(file))
        content.files.pop(key, None)  # the newest go last
        entry = _Entry(stamp.size, stamp.mtime_ns, stamp.inode, sha256, stamp.ctime_ns)
        content.files = dict([*list(content.files.items())[1 - _MOST :], (key, entry)])
        write_cache(self._path, content)


def _current(content: _File, file: Path) -> str | None:
    entry = content.files.get(_key(_place(file)))
    return entry.sha256 if entry is not None and entry.stamp == stamp_of(file) else None


def _place(file: Path) -> str:
    return os.path.realpath(file)  # one blob of a cache has many names


def _key(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:32]


def _combined(hashes: Sequence[str]) -> str:
    if len(hashes) == 1:
        return hashes[0]
    return hashlib.sha256("".join(f"{sha256}\n" for sha256 in hashes).encode()).hexdigest()
