r"""Append-only logs of records, a JSON text a line: written durably, read tolerantly, repaired without loss.

What a record is, its user says with an encoder and a decoder. Lines end with ``\n`` and with nothing else:
``str.splitlines`` would also split at U+2028 and U+0085, which JSON leaves as they are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from chatcli.errors import DataError, StorageError
from chatcli.files.durable import (
    PATIENCE,
    AppendFile,
    TailRepair,
    atomic_write,
    end_line,
    open_regular,
    storage_error,
)

T = TypeVar("T")

#: Longest line that is written or read, in bytes, its end included: it bounds what a broken file costs.
LONGEST_LINE = 64 * 2**20
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class DamagedLine:
    """A line that is not a record.

    Attributes:
        line: 1-based number of the line.
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
        """All records, oldest first, and in their places the lines that are none; holds one line at a time.

        A file that does not exist is an empty log. Empty lines are passed over. A last line without an end is
        a record if it is whole (edited by hand), and damage if it is not (a crash).

        Raises:
            StorageError: the file cannot be read.
        """
        for _, item in self._lines(hold_damage=False):
            yield item

    def repair(self) -> int:
        """Move the damaged lines, as they are, to the end of ``damaged_path``; every other byte stays.

        Returns:
            How many lines were moved.

        Raises:
            StorageError: a file cannot be written; the log is as before.
        """
        moved = 0
        aside = AppendFile(self.damaged_path)
        with AppendFile(self.path) as log:
            if not self.path.exists():
                return 0
            log.hold(exists=True, patience=PATIENCE)
            for raw, item in self._lines(hold_damage=True):
                if isinstance(item, DamagedLine):
                    aside.append(raw.rstrip(b"\n") + b"\n")
                    moved += 1
            if moved:
                atomic_write(self.path, self._sound_lines())
        return moved

    def _sound_lines(self) -> Iterator[bytes]:
        for raw, item in self._lines(hold_damage=False):
            if not isinstance(item, DamagedLine):
                yield raw if raw.endswith(b"\n") else raw + b"\n"

    def _lines(self, *, hold_damage: bool) -> Iterator[tuple[bytes, T | DamagedLine]]:
        """Each line that is not empty, as it stands in the file, and what it is.

        Args:
            hold_damage: also give lines that are too long whole; otherwise they are cut.
        """
        decode = self._decode
        try:
            with open_regular(self.path) as file:
                number = 0
                while line := file.readline(self._longest):
                    number += 1
                    try:
                        if len(line) == self._longest and not line.endswith(b"\n"):
                            line += _rest_of_line(file, self._longest, keep=hold_damage)
                            raise ValueError(f"the line is longer than {self._longest} bytes")
                        value = decode(line.removeprefix(_BOM) if number == 1 else line)
                    except (ValueError, RecursionError) as error:
                        if line.strip():
                            yield line, DamagedLine(number, _fault(line, error))
                    else:
                        yield line, value
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error("read", self.path, error) from error


def _rest_of_line(file: BinaryIO, step: int, *, keep: bool) -> bytes:
    """The rest of a line that is too long; of one that is not kept, its end only."""
    parts = []
    while True:
        piece = file.readline(step)
        parts.append(piece if keep else piece[-1:])
        if not piece or piece.endswith(b"\n"):
            return b"".join(parts if keep else parts[-1:])


def _fault(line: bytes, error: ValueError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if not line.strip(b"\0 \t\r\n"):
        return "a hole of zero bytes, as a power loss leaves it"
    if not line.endswith(b"\n"):
        return "the last line was cut short, by a crash or a full disk"
    first = (str(error).splitlines() or [""])[0]
    return first[:200] or "not a record"
