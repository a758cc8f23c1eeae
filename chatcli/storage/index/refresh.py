"""Brings the search index up to date with the transcripts folder, looking at no more than it must.

A folder's own time says whether files came, went or were replaced; a file's size and time say whether it was
changed in place. Looking at 100,000 files takes 0.2 to 0.4 s (benchmarks/LOG.md), so above ``FILES_PER_CALL``
files one call looks into the folders that changed, those with the newest names, and, in turns, the others.
"""

import contextlib
import hashlib
import os
import sqlite3
import stat
import time
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chatcli.errors import TranscriptError
from chatcli.storage.index.database import is_waiting
from chatcli.storage.index.digest import Digest, passages
from chatcli.storage.index.search_query import searchable
from chatcli.storage.transcripts import layout
from chatcli.storage.transcripts.store import read_chunks

FILES_PER_CALL = 15_000
#: Rows of one second of changes; ``index_database`` says why.
SECOND_BITS = 29
#: Something may change again within the resolution of a file system's clock (2 s on FAT) and look the same.
_FRESH_NS = 2_000_000_000
_BATCH = 200

#: Called with the number of files done and of files to do.
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class _Scan:
    """A folder as it is now.

    Attributes:
        files: name -> (size, mtime_ns).
        signature: of the files; empty when one of them is too fresh to be relied on.
    """

    path: str
    mtime_ns: int
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class _Known:
    """A folder as it was."""

    mtime_ns: int
    files: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class _Job:
    """A file to be read."""

    folder: str
    file: str
    size: int
    mtime_ns: int

    @property
    def name(self) -> str:
        """Of the conversation."""
        return layout.name_of(_join(self.folder, self.file))


def refresh(
    db: sqlite3.Connection,
    root: Path,
    *,
    suspects: Collection[str] = (),
    on_progress: Progress | None = None,
    limit: int = FILES_PER_CALL,
) -> None:
    """Bring the index up to date. If another process is busy doing that, its work will have to do.

    Args:
        db: the index.
        root: the transcripts folder.
        suspects: folders (paths below the root) to look into in any case.
        limit: how many files to look at in folders that seem unchanged.
    """
    known = {
        path: _Known(mtime_ns, files, signature)
        for path, mtime_ns, files, signature in db.execute(
            "SELECT path, mtime_ns, files, signature FROM folders"
        )
    }
    scans, unchanged = _survey(root, known)
    gone = known.keys() - unchanged - {scan.path for scan in scans}
    chosen, cursor = _choose(db, unchanged, known, limit)
    scans += [_scan(root, path) for path in sorted(chosen | (unchanged & set(suspects)))]
    different = [
        s for s in scans if s.path not in known or not s.signature or s.signature != known[s.path].signature
    ]
    moved = [s for s in scans if s.path in known and s.mtime_ns != known[s.path].mtime_ns]
    if not (different or moved or gone or cursor):
        return
    try:
        jobs = _forget_missing(db, different, gone)
        _read_all(db, root, jobs, on_progress)
        with _transaction(db):
            db.executemany(
                "INSERT OR REPLACE INTO folders VALUES (?, ?, ?, ?)",
                [(s.path, s.mtime_ns, len(s.files), s.signature) for s in scans],
            )
            if cursor:
                db.execute("INSERT OR REPLACE INTO notes VALUES ('cursor', ?)", (cursor,))
    except sqlite3.OperationalError as error:
        if not is_waiting(error):
            raise


def forget(db: sqlite3.Connection, name: str) -> None:
    """Remove a conversation from the index, so that nothing of its words is left in the file."""
    with _transaction(db):
        _delete(db, name)
        db.execute("DELETE FROM ratings WHERE name = ?", (name,))
    # A deletion only marks words as deleted; merging all segments drops them, and with secure_delete
    # (index_database) freed pages are overwritten. The log of changes is emptied last.
    db.execute("INSERT INTO words (words) VALUES ('optimize')")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _survey(root: Path, known: dict[str, _Known]) -> tuple[list[_Scan], set[str]]:
    """Visit every folder; look into those that changed. Returns these, and the paths of the others."""
    below: dict[str, list[str]] = {}
    for path in known:
        if path:
            below.setdefault(path.rpartition("/")[0], []).append(path)
    scans, unchanged, pending = [], set(), [""]
    while pending:
        path = pending.pop()
        try:
            status = (root / path).stat()
        except OSError:
            continue
        if path in known and known[path].mtime_ns == status.st_mtime_ns:
            unchanged.add(path)
            pending += below.get(path, [])
        else:
            scans.append(_scan(root, path))
            pending += scans[-1].folders
    return scans, unchanged


def _choose(
    db: sqlite3.Connection, unchanged: set[str], known: dict[str, _Known], limit: int
) -> tuple[set[str], str]:
    """Which folders that seem unchanged to look into, and where the next call shall go on ("": no matter)."""
    newest_first = sorted(unchanged, reverse=True)
    if sum(known[path].files for path in unchanged) <= limit:
        return unchanged, ""
    chosen: set[str] = set()

    def take(paths: Sequence[str]) -> str:
        room = limit // 2
        for path in paths:
            room -= known[path].files
            if room < 0 and path != paths[0]:
                return path
            chosen.add(path)
        return ""

    take(newest_first)
    (cursor,) = db.execute("SELECT max(value) FROM notes WHERE key = 'cursor'").fetchone()
    others = [path for path in newest_first if path not in chosen]
    later = [path for path in others if cursor is None or path <= cursor]
    return chosen, take(later or others) or (others[0] if others else "")


def _scan(root: Path, path: str) -> _Scan:
    """Look at every file of a folder. One that cannot be read is empty."""
    now = time.time_ns()
    scan = _Scan(path, -1)
    sizes, times = array("q"), array("q")
    names, folders = [], []
    try:
        mtime_ns = (root / path).stat().st_mtime_ns
        with os.scandir(root / path) as entries:
            for entry in entries:
                name = entry.name
                if layout.is_transcript(name):
                    try:
                        status = entry.stat()
                    except OSError:  # removed meanwhile
                        continue
                    if stat.S_ISREG(status.st_mode):
                        names.append(name)
                        sizes.append(status.st_size)
                        times.append(status.st_mtime_ns)
                elif layout.is_folder_name(name) and entry.is_dir(follow_symlinks=False):
                    folders.append(_join(path, name))
    except OSError:
        return scan
    scan.files = dict(zip(names, zip(sizes, times, strict=True), strict=True))
    scan.folders = folders
    if abs(now - mtime_ns) >= _FRESH_NS:
        scan.mtime_ns = mtime_ns
    if max(times, default=0) <= now - _FRESH_NS:
        content = "\0".join(names).encode() + sizes.tobytes() + times.tobytes()
        scan.signature = hashlib.blake2b(content, digest_size=16).digest()
    return scan


def _forget_missing(db: sqlite3.Connection, scans: list[_Scan], gone: Collection[str]) -> list[_Job]:
    """Remove what is no longer there from the index. Returns what is to be read, the newest first."""
    jobs: list[_Job] = []
    with _transaction(db):
        for path in gone:
            for (name,) in db.execute("SELECT name FROM transcripts WHERE folder = ?", (path,)).fetchall():
                _delete(db, name)
            db.execute("DELETE FROM folders WHERE path = ?", (path,))
        for scan in scans:
            rows = db.execute(
                "SELECT file, name, size, mtime_ns FROM transcripts WHERE folder = ?", (scan.path,)
            )
            old = {file: (name, (size, mtime_ns)) for file, name, size, mtime_ns in rows.fetchall()}
            for file in old.keys() - scan.files.keys():
                _delete(db, old[file][0])
            jobs += [
                _Job(scan.path, file, *status)
                for file, status in scan.files.items()
                if file not in old or old[file][1] != status
            ]
    # Within one second rowids are given in order of time, so that the newest is the greatest here too.
    jobs.sort(key=lambda job: (-(job.mtime_ns // 10**9), job.mtime_ns))
    return jobs


def _read_all(db: sqlite3.Connection, root: Path, jobs: list[_Job], on_progress: Progress | None) -> None:
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
    low = min(max(job.mtime_ns // 10**9, 0), 2**33) << SECOND_BITS
    before = db.execute(
        "SELECT first + rows FROM transcripts WHERE first >= ? AND first < ? "
        "ORDER BY first DESC, rows DESC LIMIT 1",
        (low, low + (1 << SECOND_BITS)),
    ).fetchone()
    first = before[0] if before else low
    digest, rows = Digest(), 0

    def words() -> Iterator[tuple[int, str, str, str, int]]:
        nonlocal rows
        path = layout.path_of(root, job.name)
        for passage in passages(read_chunks(path), digest):
            yield (
                first + rows,
                searchable(passage.content),
                searchable(passage.model),
                passage.role,
                passage.message,
            )
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
