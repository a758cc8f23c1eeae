"""A large file grows beside its place under another name, and takes the place when it is whole."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from chatcli.errors import StorageError

if sys.platform != "win32":
    import fcntl

ENDING = ".part"


@contextlib.contextmanager
def part_of(target: Path) -> Iterator[Path]:
    """The file to write; it replaces ``target`` when the block ends well, and is removed when it fails.

    Its name is always the same, so that a run that is killed leaves one at most, which the next takes over.
    Windows has no lock that lets others write, and there two runs at once are not kept apart.

    Raises:
        StorageError: another process writes this target.
        OSError: it cannot be written.
    """
    part = target.with_name(f"{target.name[:80]}{ENDING}")
    with _held(part, target):
        try:
            yield part
            part.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _held(part: Path, target: Path) -> Iterator[None]:
    if sys.platform == "win32":  # where a file that is open cannot be renamed either
        yield
        return
    with part.open("ab") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(f"another chatcli is writing {target}; wait for it") from None
        yield
