"""What the search index knows of ratings: follows the feedback log, reading only what was added to it."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from chatcli.feedback.codec import decode
from chatcli.feedback.records import Rating, Record, Retraction
from chatcli.files.disk import open_regular, storage_error
from chatcli.files.record_log import LONGEST_LINE

_CHECKED = 256  # bytes before the place reached, by which a log that was replaced is told
_KINDS = (b'"rating"', b'"retraction"')


def follow(db: sqlite3.Connection, log: Path) -> None:
    """Bring the table of ratings up to date; costs next to nothing when the log has not changed.

    Of several ratings of an answer the last one counts. Lines that cannot be read are passed over.

    Args:
        db: the index.
        log: the feedback log; one that does not exist is empty.

    Raises:
        StorageError: the log cannot be read.
    """
    try:
        with open_regular(log) as file:
            if _reached(db, file) == os.fstat(file.fileno()).st_size:
                return
            db.execute("BEGIN IMMEDIATE")
            try:
                _read_on(db, file)
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
    except FileNotFoundError:
        db.execute("DELETE FROM ratings")
        db.execute("DELETE FROM notes WHERE key = 'ratings'")
    except OSError as error:
        raise storage_error("read", log, error) from error


def _reached(db: sqlite3.Connection, file: BinaryIO) -> int:
    """How many bytes of this very file the table knows already; 0 for a file that is another one."""
    row = db.execute("SELECT value FROM notes WHERE key = 'ratings'").fetchone()
    if row is None:
        return 0
    at = int(row[0].partition(":")[0])
    return at if row[0] == _mark(file, at) else 0


def _mark(file: BinaryIO, at: int) -> str:
    """What tells that a file was read up to a place: the place, the file, and the bytes before it."""
    file.seek(max(0, at - _CHECKED))
    digest = hashlib.blake2b(file.read(min(at, _CHECKED)), digest_size=8).hexdigest()
    return f"{at}:{os.fstat(file.fileno()).st_ino}:{digest}"


def _read_on(db: sqlite3.Connection, file: BinaryIO) -> None:
    at = _reached(db, file)  # another process may have been faster
    if not at:
        db.execute("DELETE FROM ratings")
    file.seek(at)
    for line in _whole_lines(file):
        at += len(line)
        if any(kind in line for kind in _KINDS):
            try:
                _take(db, decode(line))
            except (ValueError, RecursionError):
                continue
    db.execute("INSERT OR REPLACE INTO notes VALUES ('ratings', ?)", (_mark(file, at),))


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines with their ends; one that is still being written is left for the next time."""
    while line := file.readline(LONGEST_LINE):
        if line.endswith(b"\n") or len(line) == LONGEST_LINE:
            yield line


def _take(db: sqlite3.Connection, record: Record) -> None:
    ended = record.retracts if isinstance(record, Retraction) else record.replaces
    if ended is not None:
        db.execute("DELETE FROM ratings WHERE record = ?", (ended,))
    if not isinstance(record, Rating) or record.target is None or record.judge.by != "human":
        return
    message = record.target.messages[0]
    if isinstance(message, int) and abs(message) < 2**63:
        row = (record.target.transcript, message, "good" if record.good else "bad", record.id)
        db.execute("INSERT OR REPLACE INTO ratings VALUES (?, ?, ?, ?)", row)
