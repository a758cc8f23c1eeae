"""The SQLite file of the search index: opened, checked, and made anew when it is damaged.

Everything in it comes from the transcripts, so nothing is lost with it. Where it cannot be written (a full or
read-only disk), a copy in memory takes its place.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from chatcli.errors import StorageError
from chatcli.files.append import PATIENCE, AppendFile, Locked
from chatcli.files.disk import FILE_MODE, storage_error

R = TypeVar("R")

#: To be raised with every change of the schema or of what is put into it.
VERSION = 5
_SCHEMA = """
CREATE TABLE folders (
    path TEXT PRIMARY KEY,       -- below the transcripts folder, with /; '' is the folder itself
    signature BLOB NOT NULL      -- of the names, sizes and times of its files
);
CREATE TABLE transcripts (
    name TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    file TEXT NOT NULL,
    size INTEGER NOT NULL,       -- -1: read too soon after a change to be relied on
    mtime_ns INTEGER NOT NULL,
    first INTEGER NOT NULL,      -- its rows in words: first <= rowid < first + rows
    rows INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    started INTEGER,
    title TEXT NOT NULL,
    title_key TEXT NOT NULL,     -- casefolded
    models TEXT NOT NULL,
    damage TEXT NOT NULL
);
CREATE INDEX by_folder ON transcripts (folder);
CREATE INDEX by_time ON transcripts (mtime_ns);
CREATE INDEX by_first ON transcripts (first);
-- rowid: second of the last change << 29, counted on; so that newest first is the order of the index itself
CREATE VIRTUAL TABLE words USING fts5 (
    content, model, role, message UNINDEXED, tokenize = 'unicode61 remove_diacritics 2'
);
"""
_WAITING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_OUTSIDE = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_PERM: "permission denied",
}


class IndexUnusable(StorageError):
    """The index cannot be read or written where it is."""


class IndexDatabase:
    """A connection to the index. Not for use by several threads.

    Args:
        path: the file. It is private, made when missing, and made anew when damaged or of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._memory: sqlite3.Connection | None = None

    def run(self, action: Callable[[sqlite3.Connection], R]) -> R:
        """Do something with the index, or with a copy of it in memory where the file cannot be written.

        Raises:
            Locked: another process does not let go of the file.
        """
        if self._memory is None:
            try:
                return self.run_on_file(action)
            except IndexUnusable:
                self._memory = self._copied()
        try:
            return action(self._memory)
        except sqlite3.DatabaseError:  # another process changed the file while it was copied
            self._memory = _prepared(_connected(":memory:"))
            return action(self._memory)

    def run_on_file(self, action: Callable[[sqlite3.Connection], R]) -> R:
        """Do something with the file; once more with an empty one if it proves damaged.

        Raises:
            IndexUnusable: the disk does not allow it.
            Locked: another process does not let go of the file.
        """
        for last_try in (False, True):
            try:
                if self._connection is None:
                    self._connection = self._opened()
                return action(self._connection)
            except sqlite3.Error as error:
                self.close()
                if is_waiting(error):
                    raise Locked(f"{self.path} is in use by another process; try again") from error
                code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
                if code in _OUTSIDE or last_try:
                    reason = _OUTSIDE.get(code, str(error))
                    raise IndexUnusable(f"cannot use the index {self.path}: {reason}") from error
                self.discard()
        raise AssertionError("unreachable")

    def discard(self) -> None:
        """Remove the file; it is made anew when it is needed.

        Raises:
            IndexUnusable: it cannot be removed.
        """
        self.close()
        with self._guarded():
            for suffix in ("-wal", "-shm", ""):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        for connection in filter(None, (self._connection, self._memory)):
            connection.close()
        self._connection = self._memory = None

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Inside, no other process opens, checks or removes the file."""
        try:
            with AppendFile(self.path.with_name(self.path.name + ".lock")) as guard:
                guard.hold(patience=PATIENCE)
                yield
        except OSError as error:
            raise IndexUnusable(str(storage_error("use", self.path, error))) from error
        except Locked:
            raise
        except StorageError as error:
            raise IndexUnusable(str(error)) from error

    def _opened(self) -> sqlite3.Connection:
        with self._guarded():
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, FILE_MODE))  # SQLite would obey the umask
            self.path.chmod(FILE_MODE)
            return _prepared(_connected(str(self.path)))

    def _copied(self) -> sqlite3.Connection:
        """What the file holds, in memory; nothing if it cannot be read or is not sound."""
        memory = _connected(":memory:")
        uri = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"  # needs no lock and no second file
        try:
            with contextlib.closing(sqlite3.connect(uri, uri=True)) as kept:
                kept.backup(memory)
            return _prepared(memory)
        except sqlite3.Error:
            memory.close()
            return _prepared(_connected(":memory:"))


def is_waiting(error: sqlite3.Error) -> bool:
    """Whether another process was in the way."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _WAITING


def _connected(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The connection with its settings, and with the tables if there are none.

    Raises:
        sqlite3.DatabaseError: the file is damaged or of another version.
    """
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA temp_store = MEMORY")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version != VERSION and tables:
            raise sqlite3.DatabaseError(f"version {version}")
        if not tables:
            connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection
