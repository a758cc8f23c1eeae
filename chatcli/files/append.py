"""Files that only grow: locked appends that survive a crash.

When ``AppendFile.append`` returns, the record is in the file, whole, and was handed to the disk (fsync). When
it raises, the file is as it was. Whatever a crash leaves at the end of the file is never joined to a later
record. Several processes may append to the same file.

Not promised: that the disk obeys fsync, and network file systems that do not keep locks.
"""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from chatcli.errors import StorageError
from chatcli.files.disk import (
    FILE_MODE,
    PLAIN,
    is_at,
    make_private_folder,
    refuse_pipe,
    set_mode,
    storage_error,
    sync_file,
    sync_folder,
    try_lock,
    write_all,
)

#: Longest wait for another process's append, in seconds; a live writer holds the lock for milliseconds.
PATIENCE = 10.0
#: Returns what to write before the next record, given the file, open for reading, and its length.
TailRepair = Callable[[BinaryIO, int], bytes]

_FLAGS = os.O_RDWR | os.O_APPEND | PLAIN


class Locked(StorageError):
    """Another process holds the lock of a file."""


def end_line(file: BinaryIO, size: int) -> bytes:
    r"""The tail repair of a file of lines: a last line without ``\n`` was cut short, so end it."""
    if not size:
        return b""
    file.seek(size - 1)
    return b"" if file.read(1) == b"\n" else b"\n"


class AppendFile:
    """A file that only grows, one durable record at a time. It appears with the first append.

    Without ``hold``, every append takes the lock, and any number of processes take turns. With it, this
    object is the only writer until it is closed or its process ends.

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
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
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
            self._follow_replacement()
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
                try:
                    refuse_pipe(descriptor, self.path)
                    self._lock(descriptor, deadline)
                    if is_at(descriptor, self.path):
                        return descriptor
                except BaseException:
                    os.close(descriptor)
                    raise
                os.close(descriptor)  # replaced or removed between opening and locking
            except FileExistsError:
                raise
            except OSError as error:
                raise storage_error("open", self.path, error) from error

    def _lock(self, descriptor: int, deadline: float) -> None:
        pause = 0.001
        while not try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise Locked(f"{self.path} is in use by another process; try again when it has ended")
            time.sleep(pause)
            pause = min(2 * pause, 0.05)

    def _follow_replacement(self) -> None:
        """An editor that saves by renaming puts another file in place of the one held: go on with that."""
        if self._held is None or is_at(self._held, self.path):
            return
        if not self.path.exists():
            raise StorageError(f"{self.path} was removed while it was in use; nothing more is written to it")
        self.close()
        self.hold(exists=True)

    def _append_to(self, descriptor: int, record: bytes) -> None:
        size = -1
        try:
            size = os.fstat(descriptor).st_size
            mend = b""
            if size != self._clean_size:
                with open(descriptor, "rb", closefd=False) as file:
                    mend = self._repair(file, size)
            write_all(descriptor, mend + record)
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


def _open_to_append(path: Path, exists: bool | None) -> int:
    """A descriptor; ``AppendFile.hold`` says what ``exists`` means."""
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
    set_mode(path, FILE_MODE)
    return descriptor
