"""The SQLite file behind the search index: opened, checked, and thrown away when it is not sound.

Everything in it comes from the transcripts, so that there is never anything to lose.
"""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from chatcli.errors import StorageError
from chatcli.files.durable import FILE_MODE, PATIENCE, AppendFile, make_private_folder, storage_error

R = TypeVar("R")

#: To be raised with every change of the schema or of what is put into it.
VERSION = 4
_SCHEMA = """
CREATE TABLE folders (
    path TEXT PRIMARY KEY,       -- below the transcripts folder, with /; '' is the folder itself
    mtime_ns INTEGER NOT NULL,   -- when its list of names was read; -1: too fresh to be relied on
    files INTEGER NOT NULL,
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
CREATE TABLE ratings (name TEXT, message INTEGER, rating TEXT, record TEXT, PRIMARY KEY (name, message));
CREATE INDEX by_record ON ratings (record);
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT);
-- rowid: second of the last change << 29, counted on; so that newest first is the order of the index itself
CREATE VIRTUAL TABLE words USING fts5 (
    content, model, role, message UNINDEXED, tokenize = 'unicode61 remove_diacritics 2'
);
"""
_WAITING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_OUTSIDE = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space and try again",
    sqlite3.SQLITE_READONLY: "it is read-only; check its owner and mode (ls -l)",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check its folder (ls -ld)",
    sqlite3.SQLITE_PERM: "permission denied; check its owner and mode (ls -l)",
}


class IndexDatabase:
    """A connection that heals itself. Not for use by several threads.

    Args:
        path: the file; private, made when missing, made anew when damaged or of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def run(self, action: Callable[[sqlite3.Connection], R]) -> R:
        """Do something with the connection; once more with an empty database if this one proves damaged.

        Raises:
            StorageError: the disk, or another process, does not let us.
        """
        for last_try in (False, True):
            try:
                if self._connection is None:
                    self._connection = self._open()
                return action(self._connection)
            except sqlite3.Error as error:
                self.close()
                code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
                if is_waiting(error):
                    raise StorageError(f"{self.path} is in use by another process; try again") from error
                if code in _OUTSIDE or last_try:
                    reason = _OUTSIDE.get(code, str(error))
                    raise StorageError(f"cannot use the index {self.path}: {reason}") from error
                self._discard()
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _guard(self) -> AppendFile:
        """Held while the file is opened, checked or thrown away, so that no two processes do that at once."""
        guard = AppendFile(self.path.with_name(self.path.name + ".lock"))
        guard.hold(patience=PATIENCE)
        return guard

    def _open(self) -> sqlite3.Connection:
        with self._guard():
            try:
                make_private_folder(self.path.parent)
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, FILE_MODE))  # SQLite would obey the umask
                self.path.chmod(FILE_MODE)
            except OSError as error:
                raise storage_error("open", self.path, error) from error
            connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute("PRAGMA cache_size = -16000")
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

    def _discard(self) -> None:
        with self._guard():
            for suffix in ("-wal", "-shm", ""):
                try:
                    self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
                except OSError as error:
                    raise storage_error("remove", self.path, error) from error


def is_waiting(error: sqlite3.Error) -> bool:
    """Whether another process was in the way."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _WAITING
