"""What writers and readers of files need: errors in one line, private folders, locks, syncing, reading."""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from chatcli.errors import StorageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FILE_MODE = 0o600
FOLDER_MODE = 0o700
#: Flags of ``os.open`` for bytes as they are, in a descriptor that no child inherits.
PLAIN = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

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


class FileStamp(NamedTuple):
    """What tells whether a file was changed or replaced, without reading it.

    Programs can set the time of the content as they like, the time of the inode they cannot.
    """

    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int


def stamp_of(path: Path) -> FileStamp | None:
    """The stamp of a file; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return FileStamp(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


def storage_error(action: str, path: Path, error: OSError) -> StorageError:
    """One line for the user: what could not be done, to which file, why, and what to do.

    Args:
        action: a verb, as in "cannot *write*".
    """
    reason = _ADVICE.get(error.errno or 0) or (error.strerror or str(error)).lower()
    name = str(path)
    return StorageError(f"cannot {action} {name if name.isprintable() else repr(name)}: {reason}")


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading. A pipe or an endless device is refused instead of waited for.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | PLAIN | getattr(os, "O_NONBLOCK", 0))
    try:
        refuse_pipe(descriptor, path)
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
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


def read_chunks(path: Path, size: int = 2**20) -> Iterator[bytes]:
    """A file in pieces of ``size`` bytes.

    Raises:
        OSError: as ``open_regular``.
    """
    with open_regular(path) as file:
        while piece := file.read(size):
            yield piece


def refuse_pipe(descriptor: int, path: Path) -> None:
    """Raise OSError for a pipe: nothing is kept in one, and whoever reads it may wait for ever."""
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "it is a pipe, not a file; remove it", str(path))


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
    set_mode(folder, FOLDER_MODE)
    sync_folder(folder.parent)


def remove_file(path: Path) -> None:
    """Remove a file, if there is one, and wait until the disk knows.

    Raises:
        StorageError: it could not be removed.
    """
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error("remove", path, error) from error


def set_mode(path: Path, mode: int) -> None:
    """Set the mode of a new file, from which the umask may have taken bits."""
    if sys.platform != "win32":
        path.chmod(mode)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write everything: the system may take less than it is given (signals, size limits, a full disk)."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


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


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one that the path names now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def try_lock(descriptor: int) -> bool:
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
