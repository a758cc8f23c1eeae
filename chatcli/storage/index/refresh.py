"""Brings the search index up to date with the transcripts folder.

Every call looks at the size and time of every file, which takes 0.2 to 0.4 s for 100,000 files
(benchmarks/LOG.md). A signature of each folder tells whether its rows must be compared.
"""

import contextlib
import hashlib
import os
import sqlite3
import stat
import time
from array import array
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chatcli.errors import TranscriptError
from chatcli.files.disk import read_chunks
from chatcli.storage.index.database import is_waiting
from chatcli.storage.index.digest import Digest, passages
from chatcli.storage.index.search_query import searchable
from chatcli.storage.transcripts import layout

#: Rows of one second of changes; ``index_database`` says why.
SECOND_BITS = 29
#: A file may change again within the resolution of a file system's clock (2 s on FAT) and look the same.
_FRESH_NS = 2_000_000_000
_BATCH = 200

#: Called with the number of files done and of files to do.
RefreshProgress = Callable[[int, int], None]


@dataclass(slots=True)
class _Scan:
    """A folder as it is now.

    Attributes:
        path: below the transcripts folder, with ``/``; '' is that folder.
        files: name -> (size, mtime_ns).
        signature: hash of the files; empty if one of them was changed too recently to be relied on.
    """

    path: str
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class _Job:
    """A file to read."""

    folder: str
    file: str
    size: int
    mtime_ns: int

    @property
    def name(self) -> str:
        """Name of the conversation."""
        return layout.name_of(_join(self.folder, self.file))


def refresh(db: sqlite3.Connection, root: Path, on_progress: RefreshProgress | None = None) -> None:
    """Bring the index up to date. If another process is doing that already, its work has to do.

    Args:
        db: the index.
        root: the transcripts folder.
    """
    known: dict[str, bytes] = dict(db.execute("SELECT path, signature FROM folders"))
    scans = list(_scan_all(root))
    different = [s for s in scans if not s.signature or s.signature != known.get(s.path)]
    gone = known.keys() - {s.path for s in scans}
    if not (different or gone):
        return
    try:
        jobs = _forget_missing(db, different, gone)
        _read_all(db, root, jobs, on_progress)
        changed = [(s.path, s.signature) for s in different if known.get(s.path) != s.signature]
        if changed:
            with _transaction(db):
                db.executemany("INSERT OR REPLACE INTO folders VALUES (?, ?)", changed)
    except sqlite3.OperationalError as error:
        if not is_waiting(error):
            raise


def forget(db: sqlite3.Connection, name: str) -> None:
    """Remove a conversation from the index, so that none of its words is left in the file."""
    with _transaction(db):
        _delete(db, name)
    # A deletion only marks words as deleted; merging all segments drops them, and with secure_delete
    # (index_database) freed pages are overwritten. The log of changes is emptied last.
    db.execute("INSERT INTO words (words) VALUES ('optimize')")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _scan_all(root: Path) -> Iterator[_Scan]:
    """Every folder that can be read."""
    pending = [""]
    while pending:
        scan = _scan(root, pending.pop())
        if scan is not None:
            pending += scan.folders
            yield scan


def _scan(root: Path, path: str) -> _Scan | None:
    now = time.time_ns()
    scan = _Scan(path)
    sizes, times = array("q"), array("q")
    try:
        with os.scandir(root / path) as entries:
            for entry in entries:
                name = entry.name
                if layout.is_transcript(name):
                    with contextlib.suppress(OSError):  # removed meanwhile
                        status = entry.stat()
                        if stat.S_ISREG(status.st_mode):
                            scan.files[name] = status.st_size, status.st_mtime_ns
                            sizes.append(status.st_size)
                            times.append(status.st_mtime_ns)
                elif layout.is_folder_name(name) and entry.is_dir(follow_symlinks=False):
                    scan.folders.append(_join(path, name))
    except OSError:
        return None
    if max(times, default=0) <= now - _FRESH_NS:
        content = "\0".join(scan.files).encode() + sizes.tobytes() + times.tobytes()
        scan.signature = hashlib.blake2b(content, digest_size=16).digest()
    return scan


def _forget_missing(db: sqlite3.Connection, scans: list[_Scan], gone: Collection[str]) -> list[_Job]:
    """Remove what is no longer there from the index. Returns the files to read, the newest first."""
    jobs: list[_Job] = []
    removed: list[str] = []
    for path in gone:
        removed += (name for (name,) in db.execute("SELECT name FROM transcripts WHERE folder = ?", (path,)))
    for scan in scans:
        rows = db.execute("SELECT file, name, size, mtime_ns FROM transcripts WHERE folder = ?", (scan.path,))
        old = {file: (name, (size, mtime_ns)) for file, name, size, mtime_ns in rows}
        removed += (old[file][0] for file in old.keys() - scan.files.keys())
        jobs += (
            _Job(scan.path, file, *status)
            for file, status in scan.files.items()
            if file not in old or old[file][1] != status
        )
    if removed or gone:
        with _transaction(db):
            for name in removed:
                _delete(db, name)
            db.executemany("DELETE FROM folders WHERE path = ?", [(path,) for path in gone])
    # Within one second rowids are given in order of time, so that the newest is the greatest here too.
    jobs.sort(key=lambda job: (-(job.mtime_ns // 10**9), job.mtime_ns))
    return jobs


def _read_all(
    db: sqlite3.Connection, root: Path, jobs: list[_Job], on_progress: RefreshProgress | None
) -> None:
    for start in range(0, len(jobs), _BATCH):
        with _transaction(db):
            for job in jobs[start : start + _BATCH]:
                _read(db, root, job)
        if on_progress is not None:
            on_progress(min(start + _BATCH, len(jobs)), len(jobs))


def _read(db: sqlite3.Connection, root: Path, job: _Job) -> None:
    known = db.execute("SELECT size, mtime_ns FROM transcripts WHERE name = ?", (job.name,)).fetchone()
    if known == (job.size, job.mtime_ns):  # another process was faster
        return
    _delete(db, job.name)
    first = _free_rowid(db, job.mtime_ns // 10**9)
    digest, rows = Digest(), 0

    def words() -> Iterator[tuple[int, str, str, str, int]]:
        nonlocal rows
        for passage in passages(read_chunks(layout.path_of(root, job.name)), digest):
            content, model = searchable(passage.content), searchable(passage.model)
            yield first + rows, content, model, passage.role, passage.message
            rows += 1

    fresh = abs(time.time_ns() - job.mtime_ns) < _FRESH_NS
    try:
        db.executemany(
            "INSERT INTO words (rowid, content, model, role, message) VALUES (?, ?, ?, ?, ?)", words()
        )
    except OSError as error:
        digest.damage = f"cannot be read: {error.strerror}"
    except TranscriptError as error:  # not a transcript at all
        digest.damage = f"{error.line}:{error.column}: {error.problem}"
    title = digest.title.encode("utf-8", "replace").decode()
    models = "\n".join(digest.models).encode("utf-8", "replace").decode()
    db.execute(
        "INSERT INTO transcripts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            job.name, job.folder, job.file, -1 if fresh else job.size, job.mtime_ns, first, rows,
            digest.messages, digest.started, title, title.casefold(), models, digest.damage,
        ),
    )  # fmt: skip


def _free_rowid(db: sqlite3.Connection, second: int) -> int:
    """The first rowid after those of the transcripts that were changed in the same second."""
    low = min(max(second, 0), 2**33) << SECOND_BITS
    before = db.execute(
        "SELECT first + rows FROM transcripts WHERE first >= ? AND first < ? "
        "ORDER BY first DESC, rows DESC LIMIT 1",
        (low, low + (1 << SECOND_BITS)),
    ).fetchone()
    return before[0] if before else low


def _delete(db: sqlite3.Connection, name: str) -> None:
    found = db.execute("SELECT first, rows FROM transcripts WHERE name = ?", (name,)).fetchone()
    if found:
        db.execute("DELETE FROM words WHERE rowid >= ? AND rowid < ?", (found[0], found[0] + found[1]))
        db.execute("DELETE FROM transcripts WHERE name = ?", (name,))


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
