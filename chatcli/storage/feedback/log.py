"""The feedback log on disk: judgements are appended durably, read in either direction, and never rewritten.

Reading holds one line at a time. To tell which judgements count takes a number for each thing that was judged
(``feedback.judgements``).
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from chatcli.errors import StorageError, UsageError
from chatcli.feedback.codec import NewerRecord, decode, encode
from chatcli.feedback.judgements import Fate, Succession, trace_of
from chatcli.feedback.records import Judgement, Record
from chatcli.files.append import TailRepair, end_line
from chatcli.files.disk import open_regular, storage_error
from chatcli.files.record_log import LONGEST_LINE, DamagedLine, RecordLog, lines_backwards
from chatcli.words import listed

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
        path: the file; the first record creates it.
        tail_repair: see ``AppendFile``.

    Attributes:
        pending: records that could not be saved, oldest first; ``append`` and ``retry`` save them first.
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
        """Write a record, after the pending ones. It is on the disk when this returns.

        Raises:
            StorageError: it could not be written. It stays in ``pending``.
        """
        self.pending.append(record)
        self.retry()

    def retry(self) -> int:
        """Write the pending records; returns how many were written.

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
        """All records, oldest first; a line that cannot be read is a ``DamagedLine``.

        Raises:
            StorageError: the file cannot be read.
        """
        return self._records.read()

    def lines(self) -> Iterator[tuple[bytes, Record | DamagedLine | None]]:
        """Each line of the file with its record; None for an empty line. Lines that are too long are whole.

        Raises:
            StorageError: the file cannot be read.
        """
        return self._records.lines(whole=True)

    def validate(self) -> Iterator[Record | NewerRecord | DamagedLine]:
        """As ``read``, but records of newer versions are told apart from damage."""
        return self._mixed.read()

    def read_backwards(self) -> Iterator[Record | None]:
        """All records, newest first, and None for each line that cannot be read.

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
        """All records that can be read, newest first, with their fates.

        Raises:
            StorageError: the file cannot be read.
        """
        succession = Succession()
        for record in self.read_backwards():
            if record is not None:
                yield record, succession.fate(trace_of(record))

    def live(self) -> Iterator[Judgement]:
        """The judgements that count, oldest first. Reads the log twice and holds one record at a time.

        Raises:
            StorageError: the file cannot be read.
        """
        succession = Succession()
        counts = bytearray(
            record is not None and succession.fate(trace_of(record)) is Fate.LIVE
            for record in self.read_backwards()
        )
        counts.reverse()
        numbers = iter(counts)  # lines that are appended meanwhile have none
        for item in self.read():
            if next(numbers, 0) and isinstance(item, Judgement):
                yield item

    def of_transcript(self, transcript: str) -> list[Judgement]:
        """The judgements that count of the answers in one conversation, oldest first.

        Raises:
            StorageError: the file cannot be read.
        """
        mark = transcript.encode("utf-8", "replace")
        succession = Succession()
        found: list[Judgement] = []
        for line in self._lines_backwards():
            if line is None or not (mark in line or _RETRACTS in line):
                continue
            try:
                record = decode(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, Judgement):
                if record.target is None or record.target.transcript != transcript:
                    continue
                if succession.fate(trace_of(record)) is Fate.LIVE:
                    found.append(record)
            else:
                succession.fate(trace_of(record))
        found.reverse()
        return found

    def last(self, count: int) -> list[Record]:
        """The last ``count`` records that can be read, oldest first."""
        found: list[Record] = []
        if count > 0:
            for record in self.read_backwards():
                if record is not None:
                    found.append(record)
                    if len(found) == count:
                        break
        return found[::-1]

    def find(self, ref: str) -> Record:
        """The event with this id.

        Args:
            ref: the id, the beginning of it or its last part; or ``last``, the last judgement that counts.

        Raises:
            UsageError: there is no such event, or there are several.
            StorageError: the file cannot be read.
        """
        if ref == LAST:
            return self._last_live()
        if not ref:
            raise UsageError("the id of a judgement is empty")
        found: dict[str, Record] = {}
        mark = ref.encode("utf-8", "replace")
        for line in self._lines_backwards():
            if line is None or mark not in line:
                continue
            try:
                record = decode(line)
            except (ValueError, RecursionError):
                continue
            name = record.id
            if name == ref:
                return record
            if name.startswith(ref) or name.rpartition("-")[2] == ref:
                found.setdefault(name, record)
                if len(found) > _MOST_CANDIDATES:
                    break
        if not found:
            raise UsageError(f"no judgement {ref!r}; chatcli feedback list shows them")
        if len(found) > 1:
            names = listed(found, most=_MOST_CANDIDATES)
            raise UsageError(f"several judgements have an id like {ref!r}: {names}; type more of it")
        (record,) = found.values()
        return record

    def fate(self, event_id: str) -> Fate:
        """The fate of the event with this id.

        Raises:
            UsageError: there is no such event.
            StorageError: the file cannot be read.
        """
        for record, fate in self.events():
            if record.id == event_id:
                return fate
        raise UsageError(f"no judgement {event_id!r}; chatcli feedback list shows them")

    def repair(self) -> int:
        """Move damaged lines unchanged to the end of ``damaged_path``; returns how many.

        Records of newer versions stay.

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
