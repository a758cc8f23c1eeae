"""Changes a small file of user data in one step, whoever else is changing it."""

from collections.abc import Callable
from pathlib import Path

from chatcli.files.durable import PATIENCE, AppendFile, atomic_write, read_regular, storage_error


def update(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Replace a file's content by what ``change`` makes of it; other updates wait meanwhile.

    Args:
        path: the file; a missing one is empty.
        change: from the old content to the new one. If it raises, nothing is written.

    Raises:
        StorageError: it could not be read or written, or another process does not let go of it.
    """
    with AppendFile(path.with_name(f".{path.name}.lock")) as lock:
        lock.hold(patience=PATIENCE)
        try:
            former = read_regular(path)
        except FileNotFoundError:
            former = b""
        except OSError as error:
            raise storage_error("read", path, error) from error
        content = change(former)
        if content != former:
            atomic_write(path, content)
