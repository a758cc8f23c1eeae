"""Who may write a download: one process at a time, and the others wait for its result."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from chatcli.library.hub.cache import storing

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_PAUSE = 0.1


@contextlib.contextmanager
def only_writer(path: Path, wait: Callable[[float], None], on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock file while the block runs. The system drops the lock of a process that dies.

    It is the lock huggingface_hub's ``filelock`` takes (flock; on Windows the first byte), so that its
    downloads and ours wait for each other.

    Args:
        path: the lock file; it stays.
        wait: pauses for so many seconds, or raises to give up.
        on_wait: called once if another process holds the lock.

    Raises:
        StorageError: the file system cannot lock.
    """
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    waited = False
    while (descriptor := _held(path)) is None:
        if not waited:
            on_wait()
            waited = True
        wait(_PAUSE)
    try:
        yield
    finally:
        os.close(descriptor)


def _held(path: Path) -> int | None:
    """A descriptor of the lock file, locked, or None if another process has it."""
    with storing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            # Who held it before may have removed the file: then the lock is on a file nobody else will see.
            if _try_lock(descriptor) and _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _try_lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
