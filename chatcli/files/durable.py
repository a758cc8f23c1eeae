"""Files that keep what was acknowledged: locked appends that survive a crash, and atomic replacement.

The promise of ``AppendFile.append``: when it returns, the record is in the file, whole, and was handed to the
disk (fsync). When it raises, the file is as it was. Whatever a crash leaves at the end of the file is never
joined to a later record. Several processes may append to the same file.

What is not promised: that the disk itself obeys fsync, and network file systems that do not keep locks.
"""

import contextlib
import errno
import os
import secrets
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from chatcli.errors import StorageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FILE_MODE = 0o600
FOLDER_MODE = 0o700

#: Longest wait for another process's append, in seconds; a live writer holds the lock for milliseconds.
PATIENCE = 10.0

#: Says what must be written before the next record, given the file, open for reading, and its length.
TailRepair = Callable[[BinaryIO, int], bytes]

_BATCH = 2**20
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_FLAGS = os.O_RDWR | os.O_APPEND | _BINARY

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space and try again",
    errno.EFBIG: "the file would exceed the allowed size (ulimit -f)",
    errno.EROFS: "the file system is read-only; set CHATCLI_HOME to a folder that can be written",
    errno.EACCES: "permission denied; check its owner and mode (ls -l)",
    errno.EPERM: "permission denied; check its owner and mode (ls -l)",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "it is a folder, not a file",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOLCK: "the file system cannot lock files; set CHATCLI_HOME to a local disk",
    errno.EIO: "the disk reports an error; check it and your backups",
}
_ADVICE[getattr(errno, "EDQUOT", -1)] = "your disk quota is used up; free some space and try again"


class Locked(StorageError):
    """Another process holds the lock of a file."""


def storage_error(action: str, path: Path, error: OSError) -> StorageError:
    """One line for the user: what could not be done, to which file, why, and what to do.

    Args:
        action: a verb, as in "cannot *write*".
        path: the file or folder.
        error: what the operating system said.
    """
    reason = _ADVICE.get(error.errno or 0) or (error.strerror or str(error)).lower()
    name = str(path)
    return StorageError(f"cannot {action} {name if name.isprintable() else repr(name)}: {reason}")


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading. A pipe or a device is refused rather than waited for.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | _BINARY | getattr(os, "O_NONBLOCK", 0))
    try:
        _refuse_pipe(descriptor, path)
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):  # such as /dev/zero, which never ends
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, most: int = -1) -> bytes:
    """All of a file, or its first ``most`` bytes.

    Raises:
        OSError: as ``open_regular``.
    """
    with open_regular(path) as file:
        return file.read(most)


def end_line(file: BinaryIO, size: int) -> bytes:
    r"""The tail repair of a file of lines: a last line without ``\n`` was cut short, so end it."""
    if not size:
        return b""
    file.seek(size - 1)
    return b"" if file.read(1) == b"\n" else b"\n"


class AppendFile:
    """A file that only grows, one durable record at a time.

    Without ``hold``, every append takes the lock, and any number of processes take turns. With it, this
    object is the only writer until it is closed or its process ends. The file appears with the first append.

    Args:
        path: the file. A symbolic link is followed.
        repair: looks at the end of the file and says what to write before a record.
    """

    def __init__(self, path: Path, repair: TailRepair = end_line) -> None:
        self.path = path
        self._repair = repair
        self._held: int | None = None
        self._clean_size = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def held(self) -> bool:
        """Whether this object is the file's only writer."""
        return self._held is not None

    def hold(self, *, exists: bool | None = None, patience: float = 0.0) -> None:
        """Become the only writer of the file, until ``close``; idempotent.

        Args:
            exists: True: the file must be there. False: it must not, and is created, empty. None: either.
            patience: how long to wait for other writers, in seconds.

        Raises:
            Locked: another process is appending or holds the file.
            FileExistsError: it is there and must not be.
            StorageError: the file cannot be opened, or is not there and must be.
        """
        if self._held is None:
            self._held = self._open_locked(patience=patience, exists=exists)

    def close(self) -> None:
        """Let other processes write; idempotent."""
        if self._held is not None:
            os.close(self._held)
            self._held, self._clean_size = None, -1

    def append(self, record: bytes) -> None:
        """Write a record at the end of the file and wait until the disk has it.

        Raises:
            StorageError: it could not be written, and the file is as before; or the file was removed while
                this object held it.
        """
        if self._held is not None:
            self._follow_replacement(self._held)
            self._append_to(self._held, record)
            return
        descriptor = self._open_locked(patience=PATIENCE)
        try:
            self._append_to(descriptor, record)
        finally:
            os.close(descriptor)

    def _open_locked(self, *, patience: float, exists: bool | None = None) -> int:
        """A descriptor of the file that is at ``path`` now, locked."""
        deadline = time.monotonic() + patience
        while True:
            try:
                if not exists:
                    make_private_folder(self.path.parent)
                descriptor = _open_to_append(self.path, exists)
            except FileExistsError:
                raise
            except OSError as error:
                raise storage_error("open", self.path, error) from error
            try:
                _refuse_pipe(descriptor, self.path)
                self._lock(descriptor, deadline)
                if _is_at(descriptor, self.path):
                    return descriptor
            except OSError as error:
                os.close(descriptor)
                raise storage_error("open", self.path, error) from error
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # replaced or removed between opening and locking

    def _lock(self, descriptor: int, deadline: float) -> None:
        pause = 0.001
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise Locked(f"{self.path} is in use by another process; try again when it has ended")
            time.sleep(pause)
            pause = min(2 * pause, 0.05)

    def _follow_replacement(self, descriptor: int) -> None:
        """An editor that saves by renaming puts another file in place of the one held: go on with that."""
        if _is_at(descriptor, self.path):
            return
        if not self.path.exists():
            raise StorageError(f"{self.path} was removed while it was in use; nothing more is written to it")
        self.close()
        self.hold(exists=True)

    def _append_to(self, descriptor: int, record: bytes) -> None:
        size = -1
        try:
            size = os.fstat(descriptor).st_size
            if size == self._clean_size:
                mend = b""
            else:
                with open(descriptor, "rb", closefd=False) as file:
                    mend = self._repair(file, size)
            _write_all(descriptor, mend + record)
            sync_file(descriptor)
            if size == 0:  # the file may be new, and its name not yet on the disk
                sync_folder(self.path.parent)
        except BaseException as error:
            if size >= 0:
                with contextlib.suppress(OSError):  # the next append repairs what is left
                    os.ftruncate(descriptor, size)
            if isinstance(error, OSError):
                raise storage_error("write", self.path, error) from error
            raise
        if self._held is not None:
            self._clean_size = size + len(mend) + len(record)


def atomic_write(
    path: Path, content: bytes | Iterable[bytes | memoryview], *, mode: int = FILE_MODE, durable: bool = True
) -> None:
    """Replace a file, or create it, so that at any moment either the old or the new content is there, whole.

    Args:
        path: the file. A symbolic link stays one, and its target is replaced.
        content: all of it, or its pieces in order; if making them fails, nothing is replaced.
        mode: of the new file, whatever the umask and the old file's mode.
        durable: wait for the disk; not worth it for what can be made again and proves itself when read.

    Raises:
        StorageError: it could not be written; the old content is untouched.
    """
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".{target.name[:100]}.{secrets.token_hex(6)}.tmp"
    try:
        make_private_folder(target.parent)
        descriptor = os.open(temporary, _FLAGS | os.O_CREAT | os.O_EXCL, mode)
        try:
            try:
                _set_mode(temporary, mode)
                for piece in _batches([content] if isinstance(content, bytes) else content):
                    _write_all(descriptor, piece)
                if durable:
                    sync_file(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(target.parent)
    except OSError as error:
        raise storage_error("write", path, error) from error


def make_private_folder(folder: Path) -> None:
    """Create a folder and those above it that are missing, for this user alone, whatever the umask.

    Raises:
        OSError: it could not be created.
    """
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_private_folder(folder.parent)
    try:
        folder.mkdir(mode=FOLDER_MODE)
    except FileExistsError:
        if folder.is_dir():  # another process was faster
            return
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
    _set_mode(folder, FOLDER_MODE)
    sync_folder(folder.parent)


def remove_file(path: Path) -> None:
    """Remove a file, and wait until the disk knows; nothing happens when there is none.

    Raises:
        StorageError: it could not be removed.
    """
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error("remove", path, error) from error


def sync_file(descriptor: int) -> None:
    """Hand a file's content and length to the disk."""
    if sys.platform == "darwin":  # there fsync leaves the data in the drive's cache: fsync(2), macOS
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    elif sys.platform == "win32":
        os.fsync(descriptor)
    else:
        os.fdatasync(descriptor)


def sync_folder(folder: Path) -> None:
    """Hand a folder's list of names to the disk. Windows cannot, and needs not."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_to_append(path: Path, exists: bool | None) -> int:
    """A descriptor; what ``exists`` means says ``AppendFile.hold``."""
    if exists is not False:
        try:
            return os.open(path, _FLAGS)
        except FileNotFoundError:
            if exists:
                raise
    try:
        descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except FileExistsError:
        if exists is False:
            raise
        return os.open(path, _FLAGS | os.O_CREAT, FILE_MODE)  # O_CREAT: it may be a link to nowhere yet
    _set_mode(path, FILE_MODE)
    return descriptor


def _refuse_pipe(descriptor: int, path: Path) -> None:
    """Nothing that is kept lies in a pipe, and whoever waits for one may wait for ever."""
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "it is a pipe, not a file; remove it", str(path))


def _set_mode(path: Path, mode: int) -> None:
    """The umask can only take bits away from the mode of a new file: put them back."""
    if sys.platform != "win32":
        path.chmod(mode)


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write everything: the system may take less than it is given (signals, size limits, a full disk)."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _batches(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """The same bytes in fewer pieces, so that many small ones do not cost a system call each."""
    waiting: list[bytes | memoryview] = []
    size = 0
    for piece in pieces:
        large = len(piece) >= _BATCH  # not worth a copy
        if not large:
            waiting.append(piece)
            size += len(piece)
        if large or size >= _BATCH:
            yield b"".join(waiting)
            waiting, size = [], 0
        if large:
            yield piece
    yield b"".join(waiting)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one that the path names now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _try_lock(descriptor: int) -> bool:
    """Take the exclusive lock of an open file if it is free. The system frees it when the process ends."""
    try:
        if sys.platform == "win32":
            # Locks are mandatory there: one byte far behind the end leaves the content readable.
            os.lseek(descriptor, 2**40, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EAGAIN, errno.EDEADLK}:
            return False
        raise
    return True
