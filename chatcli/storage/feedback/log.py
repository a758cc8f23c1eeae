"""The feedback log on disk: judgements are appended durably, read in either direction, and never rewritten.

Reading holds one line at a time, so a log of any length is read in the same memory; what it takes to know
which judgements count is a number for each thing that was judged (``feedback.judgements``).
"""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from chatcli.errors import DataError, StorageError, UsageError
from chatcli.feedback.codec import NewerRecord, decode, encode
from chatcli.feedback.judgements import Fate, Succession, decode_trace
from chatcli.feedback.records import Judgement, Record
from chatcli.files.append import TailRepair, end_line
from chatcli.files.disk import open_regular, storage_error
from chatcli.files.record_log import LONGEST_LINE, DamagedLine, RecordLog, lines_backwards
from chatcli.words import listed

T = TypeVar("T")

#: The reference to the judgement that was made last.
LAST = "last"
_MOST_CANDIDATES = 5
# Stands in every retraction, however it was written, and seldom elsewhere.
_RETRACTS = b"retracts"


def _decode_or_newer(line: bytes) -> Record | NewerRecord:
    try:
        return decode(line)
    except NewerRecord as newer:
        return newer


class FeedbackLog:
    """The log of judgements.

    Args:
        path: the file; it appears with the first record.
        tail_repair: as ``AppendFile`` takes it.

    Attributes:
        pending: records whose save failed, oldest first; the next ``append`` or ``retry`` saves them first.
    """

    def __init__(self, path: Path, *, tail_repair: TailRepair = end_line) -> None:
        self.path = path
        self.pending: deque[Record] = deque()
        self._records: RecordLog[Record] = RecordLog(path, encode, decode, tail_repair=tail_repair)
        self._mixed: RecordLog[Record | NewerRecord] = RecordLog(path, _encode_record, _decode_or_newer)

    @property
    def damaged_path(self) -> Path:
        """Where ``repair`` moves damaged lines."""
        return self._records.damaged_path

    def append(self, record: Record) -> None:
        """Write a record, after those that are pending; when this returns it is on the disk.

        Raises:
            StorageError: it could not be written. It is kept in ``pending``, and the file is as before but
                for pending records that could be written.
        """
        self.pending.append(record)
        self.retry()

    def retry(self) -> int:
        """Write the records whose save failed before; returns how many were written.

        Raises:
            StorageError: one could not be written; it and those after it stay in ``pending``.
        """
        written = 0
        while self.pending:
            self._records.append(self.pending[0])
            self.pending.popleft()
            written += 1
        return written

    def read(self) -> Iterator[Record | DamagedLine]:
        """All records, oldest first, and in their places the lines that cannot be read.

        Raises:
            StorageError: the file cannot be read.
        """
        return self._records.read()

    def validate(self) -> Iterator[Record | NewerRecord | DamagedLine]:
        """As ``read``, but what a newer version wrote is told apart from damage."""
        return self._mixed.read()

    def read_backwards(self, decode: Callable[[bytes], T]) -> Iterator[T | None]:
        """All records, newest first, and None for each line that cannot be read.

        Args:
            decode: of a line; raises ValueError or RecursionError when it cannot read it.

        Raises:
            StorageError: the file cannot be read.
        """
        for line in self._lines_backwards():
            try:
                yield None if line is None else decode(line)
            except (ValueError, RecursionError):
                if line is not None and line.strip():
                    yield None

    def events(self) -> Iterator[tuple[Record, Fate]]:
        """All records that can be read, newest first, and what became of each."""
        succession = Succession()
        for item in self.read_backwards(lambda line: (line, decode_trace(line))):
            if item is not None:
                fate = succession.fate(item[1])
                try:
                    yield decode(item[0]), fate
                except (ValueError, RecursionError):
                    continue

    def live(self) -> Iterator[Judgement]:
        """The judgements that count, oldest first. Reads the log twice, and decodes only what counts.

        Raises:
            StorageError: the file cannot be read.
        """
        succession = Succession()
        counts = bytearray(
            trace is not None and succession.fate(trace) is Fate.LIVE
            for trace in self.read_backwards(decode_trace)
        )
        counts.reverse()
        del succession
        numbers = iter(counts)  # what is appended meanwhile has none

        def decode_live(line: bytes) -> Record | None:
            if not line.strip():
                raise ValueError("an empty line")
            return decode(line) if next(numbers, 0) else None

        for item in RecordLog[Record | None](self.path, _encode_record, decode_live).read():
            if isinstance(item, Judgement):
                yield item

    def of_transcript(self, transcript: str) -> list[Judgement]:
        """The judgements that count of the answers in one conversation, oldest first."""
        mark = transcript.encode("utf-8", "replace")
        succession = Succession()
        found: list[Judgement] = []
        for line in self._lines_backwards():
            if line is None or not (mark in line or _RETRACTS in line):
                continue
            try:
                trace = decode_trace(line)
                here = trace.target is not None and trace.target.transcript == transcript
                if (here or trace.retracts is not None) and succession.fate(trace) is Fate.LIVE:
                    record = decode(line)
                    assert isinstance(record, Judgement)
                    found.append(record)
            except (ValueError, RecursionError):
                continue
        found.reverse()
        return found

    def last(self, count: int) -> list[Record]:
        """The last records that can be read, oldest first."""
        found: list[Record] = []
        if count > 0:
            for record in self.read_backwards(decode):
                if record is not None:
                    found.append(record)
                    if len(found) == count:
                        break
        return found[::-1]

    def find(self, ref: str) -> Record:
        """The event of an id.

        Args:
            ref: the id, the beginning of it or its last part; or ``last``, the last judgement that counts.

        Raises:
            UsageError: there is none, or there are several.
            StorageError: the file cannot be read.
        """
        if ref == LAST:
            return self._last_live()
        if not ref:
            raise UsageError("the id of a judgement must not be empty")
        found: dict[str, bytes] = {}
        mark = ref.encode("utf-8", "replace")
        for line in self._lines_backwards():
            if line is None or mark not in line:
                continue
            try:
                name = decode_trace(line).id
            except (ValueError, RecursionError):
                continue
            if name == ref:
                return decode(line)
            if name.startswith(ref) or name.rpartition("-")[2] == ref:
                found.setdefault(name, line)
                if len(found) > _MOST_CANDIDATES:
                    break
        if not found:
            raise UsageError(f"there is no judgement {ref!r}; chatcli feedback list shows them")
        if len(found) > 1:
            raise UsageError(
                f"{ref!r} begins several ids: {listed(found, most=_MOST_CANDIDATES)}; give more of it"
            )
        (line,) = found.values()
        try:
            return decode(line)
        except ValueError as error:
            raise DataError(f"{self.path}: {ref}: {error}") from None

    def fate(self, event_id: str) -> Fate:
        """What became of the event with this id.

        Raises:
            UsageError: there is none.
            StorageError: the file cannot be read.
        """
        succession = Succession()
        for trace in self.read_backwards(decode_trace):
            if trace is not None:
                fate = succession.fate(trace)
                if trace.id == event_id:
                    return fate
        raise UsageError(f"there is no judgement {event_id!r}; chatcli feedback list shows them")

    def repair(self) -> int:
        """Move damaged lines, as they are, to the end of ``damaged_path``; returns how many.

        What a newer version wrote stays.

        Raises:
            StorageError: a file cannot be written; the log is as before.
        """
        return self._mixed.repair()

    def _last_live(self) -> Record:
        for record, fate in self.events():
            if fate is Fate.LIVE:
                return record
        raise UsageError("nothing has been judged yet")

    def _lines_backwards(self) -> Iterator[bytes | None]:
        try:
            with open_regular(self.path) as file:
                yield from lines_backwards(file, LONGEST_LINE)
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error("read", self.path, error) from error


def _encode_record(record: object) -> bytes:
    raise StorageError(f"{record} is written through append only")
