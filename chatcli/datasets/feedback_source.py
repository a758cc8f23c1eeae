"""The feedback log, or a file like it, as an export reads it: backwards with positions, then by position."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from chatcli.files.disk import storage_error
from chatcli.files.record_log import LONGEST_LINE, lines_backwards

_BLOCK = 2**20
#: Rows follow each other in the file, seldom from one line to the next: read on a little.
_READ_AHEAD = 2**17


class FeedbackSource:
    """A log as it is now; what is appended meanwhile is not seen. Use it as a context manager.

    Args:
        path: of the log; a file that does not exist is an empty log.

    Attributes:
        size: in bytes.

    Raises:
        StorageError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file: BinaryIO | None = path.open("rb", buffering=_READ_AHEAD)
            self.size = os.fstat(self._file.fileno()).st_size
        except FileNotFoundError:
            self._file, self.size = None, 0
        except OSError as error:
            raise storage_error("read", path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def backwards(self) -> Iterator[tuple[int, bytes | None]]:
        """The lines, the last one first, each with its position; None for one that is too long.

        Raises:
            StorageError: it cannot be read.
        """
        if self._file is None or not self.size:
            return
        try:
            end = self.size - (_read_at(self._file, self.size - 1, 1) == b"\n")
            for line in lines_backwards(self._file, LONGEST_LINE, end=self.size):
                begin = _line_begin(self._file, end) if line is None else end - len(line)
                yield begin, line
                end = begin - 1
        except OSError as error:
            raise storage_error("read", self.path, error) from error

    def line_at(self, position: int) -> bytes:
        """The line that begins at a position, without its end.

        Raises:
            StorageError: it cannot be read.
        """
        assert self._file is not None
        try:
            self._file.seek(position)
            return self._file.readline(LONGEST_LINE).removesuffix(b"\n")
        except OSError as error:
            raise storage_error("read", self.path, error) from error

    def line_number(self, position: int) -> int:
        """The 1-based number of the line that begins at a position."""
        return 1 + sum(block.count(b"\n") for block in self._blocks(position))

    def sha256(self) -> str:
        """Of all there is, in hex."""
        digest = hashlib.sha256()
        for block in self._blocks(self.size):
            digest.update(block)
        return digest.hexdigest()

    def _blocks(self, end: int) -> Iterator[bytes]:
        if self._file is None:
            return
        for at in range(0, end, _BLOCK):
            yield _read_at(self._file, at, min(_BLOCK, end - at))


def _line_begin(file: BinaryIO, end: int) -> int:
    """Where the line begins that ends at a position."""
    while end > 0:
        begin = max(0, end - _BLOCK)
        found = _read_at(file, begin, end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _read_at(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)
