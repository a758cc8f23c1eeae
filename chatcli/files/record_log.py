r"""Append-only logs of records, a JSON text a line: written durably, read tolerantly, repaired without loss.

Encoder and decoder say what a record is. Lines end with ``\n`` and with nothing else: ``str.splitlines``
would also split at U+2028 and U+0085, which JSON leaves as they are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from chatcli.errors import DataError, StorageError
from chatcli.files.append import PATIENCE, AppendFile, TailRepair, end_line
from chatcli.files.disk import open_regular, storage_error
from chatcli.files.replace import atomic_write

T = TypeVar("T")

#: Longest line that is written or read, in bytes, its end included: it bounds what a broken file costs.
LONGEST_LINE = 64 * 2**20
_BOM = b"\xef\xbb\xbf"
_BLOCK = 2**18


@dataclass(frozen=True, slots=True)
class DamagedLine:
    """A line that is not a record.

    Attributes:
        line: number of the line, from 1.
        fault: what is wrong with it.
    """

    line: int
    fault: str

    def error(self, path: Path) -> DataError:
        """The same as an exception."""
        return DataError(f"{path}:{self.line}: {self.fault}")


class RecordLog(Generic[T]):
    """A log of records of one type.

    Args:
        path: the file; it appears with the first record.
        encode: a record as JSON without a newline. What it raises, ``append`` raises.
        decode: a record from a line; raises ValueError or RecursionError when the line is not one
            (``msgspec`` does, and ``json`` but for NaN).
        longest_line: in bytes.
        tail_repair: as ``AppendFile`` takes it.
    """

    def __init__(
        self,
        path: Path,
        encode: Callable[[T], bytes],
        decode: Callable[[bytes], T],
        *,
        longest_line: int = LONGEST_LINE,
        tail_repair: TailRepair = end_line,
    ) -> None:
        self.path = path
        self._tail_repair = tail_repair
        self._longest = longest_line
        self._encode = encode
        self._decode = decode

    @property
    def damaged_path(self) -> Path:
        """Where ``repair`` moves damaged lines."""
        return self.path.with_name(self.path.name + ".damaged")

    def append(self, record: T) -> None:
        """Write a record; when this returns it is on the disk.

        Raises:
            StorageError: it could not be written; the file is as before.
        """
        line = self._encode(record)
        if b"\n" in line:
            raise ValueError("an encoded record must not contain a newline")
        if len(line) >= self._longest:
            raise StorageError(
                f"a record of {len(line)} bytes is too long for {self.path}; "
                f"at most {self._longest - 1} bytes can be kept"
            )
        AppendFile(self.path, self._tail_repair).append(line + b"\n")

    def read(self) -> Iterator[T | DamagedLine]:
        """All records, oldest first, and damaged lines in their places; holds one line at a time.

        A file that does not exist is an empty log. Empty lines are passed over. A last line without an end is
        a record if it is whole (edited by hand), and damaged if it is not (a crash).

        Raises:
            StorageError: the file cannot be read.
        """
        return (item for _, item in self.lines() if item is not None)

    def repair(self) -> int:
        """Move the damaged lines, as they are, to the end of ``damaged_path``; every other byte stays.

        Returns:
            How many lines were moved.

        Raises:
            StorageError: a file cannot be written; the log is as before.
        """
        if not self.path.exists():
            return 0
        moved = 0
        aside = AppendFile(self.damaged_path)
        with AppendFile(self.path) as log:
            log.hold(exists=True, patience=PATIENCE)
            for raw, item in self.lines(whole=True):
                if isinstance(item, DamagedLine):
                    aside.append(raw.rstrip(b"\n") + b"\n")
                    moved += 1
            if moved:
                sound = (raw for raw, item in self.lines() if not isinstance(item, DamagedLine | None))
                atomic_write(self.path, (raw.removesuffix(b"\n") + b"\n" for raw in sound))
        return moved

    def lines(self, *, whole: bool = False) -> Iterator[tuple[bytes, T | DamagedLine | None]]:
        """Each line as in the file, and its record; None in the place of a record for an empty line.

        Args:
            whole: do not cut lines that are too long.

        Raises:
            StorageError: the file cannot be read.
        """
        decode = self._decode
        try:
            with open_regular(self.path) as file:
                number = 0
                while line := file.readline(self._longest):
                    number += 1
                    try:
                        if len(line) == self._longest and not line.endswith(b"\n"):
                            line += _rest_of_line(file, self._longest, whole=whole)
                            raise ValueError(f"the line is longer than {self._longest} bytes")
                        value = decode(line.removeprefix(_BOM) if number == 1 else line)
                    except (ValueError, RecursionError) as error:
                        yield line, DamagedLine(number, _fault(line, error)) if line.strip() else None
                    else:
                        yield line, value
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error("read", self.path, error) from error


def lines_backwards(
    file: BinaryIO, longest: int, block: int = _BLOCK, *, end: int | None = None
) -> Iterator[bytes | None]:
    r"""The lines of a file without their ends, the last one first; holds one line and one block at a time.

    Args:
        file: open for reading, at any place.
        longest: in bytes; in the place of a line that is longer stands None.
        block: bytes read at a time.
        end: position to begin at; None: where the file ends now.
    """
    at = file.seek(0, 2) if end is None else end
    tail: list[bytes] = []  # pieces of the line that goes on before what was read, the last piece first
    length, too_long, first = 0, False, True

    def line() -> bytes | None:
        return None if too_long else b"".join(reversed(tail))

    while at > 0:
        size = min(block, at)
        at -= size
        file.seek(at)
        parts = file.read(size).split(b"\n")
        for piece in reversed(parts[1:]):
            if not too_long:
                tail.append(piece)
            if not (first and not length and not piece):  # the end of the last line begins no other
                yield line() if length + len(piece) <= longest else None
            first, tail, length, too_long = False, [], 0, False
        length += len(parts[0])
        if length > longest:
            tail, too_long = [], True
        elif not too_long:
            tail.append(parts[0])
    if length or not first:
        yield line()


def _rest_of_line(file: BinaryIO, step: int, *, whole: bool) -> bytes:
    """The rest of a line that is too long, or only its last byte."""
    rest = b""
    while piece := file.readline(step):
        rest = rest + piece if whole else piece[-1:]
        if piece.endswith(b"\n"):
            break
    return rest


def _fault(line: bytes, error: ValueError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if not line.strip(b"\0 \t\r\n"):
        return "a hole of zero bytes, as a power loss leaves it"
    if not line.endswith(b"\n"):
        return "the last line was cut short, by a crash or a full disk"
    first = (str(error).splitlines() or [""])[0]
    return first[:200] or "not a record"
