"""List and search conversations: fast answers from a cache that follows the files by itself."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chatcli.feedback.judgements import Fate
from chatcli.feedback.records import Rating
from chatcli.files.disk import FileStamp, stamp_of
from chatcli.storage.feedback.log import FeedbackLog
from chatcli.storage.index.database import IndexDatabase, IndexUnusable
from chatcli.storage.index.refresh import SECOND_BITS, RefreshProgress, forget, refresh
from chatcli.storage.index.search_query import SEPARATOR, SearchQuery, parse_query

IndexRow = tuple[Any, ...]

_OPEN, _CLOSE = "\x01", "\x02"  # never in the text itself: search_query.searchable
_SNIPPET_WORDS = 24
_PLAIN_SNIPPET = 200
_SUMMARY = "name, mtime_ns, started, title, messages, models, damage"

_RATED = (
    # CROSS fixes the order of the joins: SQLite would begin with every word of every message.
    "SELECT w.rowid FROM rated r CROSS JOIN transcripts t ON t.name = r.name "
    "CROSS JOIN words w ON w.rowid >= t.first AND w.rowid < t.first + t.rows WHERE w.message = r.message"
)


@dataclass(frozen=True, slots=True)
class Summary:
    """One conversation in a list.

    Attributes:
        name: what ``TranscriptStore`` knows it by.
        title: what it was called, else the beginning of its first message.
        written: when its file was last changed.
        started: when it began; None if the file does not say.
        messages: how many it holds, all branches together.
        models: names of those that answered.
        damage: where the file is not in the format, and why; empty: nowhere.
    """

    name: str
    title: str
    written: datetime
    started: datetime | None
    messages: int
    models: tuple[str, ...]
    damage: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One message that was searched for.

    Attributes:
        name, title, written: of its conversation.
        message: its id; 0: the title was found.
        role: ``user``, ``assistant``, ``system`` or ``title``.
        snippet: a part of it, on one line.
        matches: which ranges of the snippet were searched for, as (start, end) in characters.
    """

    name: str
    title: str
    written: datetime
    message: int
    role: str
    snippet: str
    matches: tuple[tuple[int, int], ...]


class TranscriptIndex:
    """The index of a transcripts folder. Every question brings it up to date first.

    Questions are answered also where the index cannot be written: then it is kept in memory.

    Args:
        folder: the transcripts folder.
        file: the SQLite file; made anew if it is missing, damaged or of another version.
        feedback: the feedback log, for ``rated:``; None: nothing is rated.
        on_progress: told about long work.

    Raises:
        Locked: by every method: another process does not let go of the file.
    """

    def __init__(
        self,
        folder: Path,
        file: Path,
        *,
        feedback: Path | None = None,
        on_progress: RefreshProgress | None = None,
    ) -> None:
        self.folder = folder
        self._database = IndexDatabase(file)
        self._feedback = feedback
        self._on_progress = on_progress
        self._ratings: dict[tuple[str, int], bool] = {}
        self._ratings_stamp: FileStamp | None = None

    def newest(self, count: int | None = 20, *, skip: int = 0) -> list[Summary]:
        """Conversations, those first that were written last; ``count`` None: all."""

        def ask(db: sqlite3.Connection) -> list[IndexRow]:
            return db.execute(
                f"SELECT {_SUMMARY} FROM transcripts WHERE messages > 0 "
                "ORDER BY mtime_ns DESC, name DESC LIMIT ? OFFSET ?",
                (-1 if count is None else count, skip),
            ).fetchall()

        return [_summary(row) for row in self._up_to_date(ask)]

    def search(self, text: str, *, count: int = 20) -> list[Hit]:
        """Messages that match a query (``search_query`` says how it is read), newest conversations first.

        Raises:
            UsageError: a filter makes no sense, or there is nothing to search for.
        """
        query = parse_query(text, datetime.now().astimezone())
        sql, values = _select(query, count)
        rated = self._rated(query.rated) if query.rated else []

        def ask(db: sqlite3.Connection) -> list[IndexRow]:
            db.execute("CREATE TEMP TABLE IF NOT EXISTS rated (name TEXT, message INTEGER)")
            db.execute("DELETE FROM rated")
            db.executemany("INSERT INTO rated VALUES (?, ?)", rated)
            return db.execute(sql, values).fetchall()

        return [_hit(row) for row in self._up_to_date(ask)]

    def titled(self, title: str) -> list[str]:
        """Names of the conversations with this title, else of those whose title begins so; in any case."""
        key = title.casefold().encode("utf-8", "replace").decode()
        if not key:
            return []

        def ask(db: sqlite3.Connection) -> list[IndexRow]:
            exact = db.execute("SELECT name FROM transcripts WHERE title_key = ?", (key,)).fetchall()
            begin = "SELECT name FROM transcripts WHERE substr(title_key, 1, ?) = ?"
            return exact or db.execute(begin, (len(key), key)).fetchall()

        return [row[0] for row in self._up_to_date(ask)]

    def forget(self, name: str) -> None:
        """Remove what the index holds of a conversation; if that cannot be written, the index as a whole.

        Raises:
            StorageError: neither can be done.
        """
        if not self._database.path.exists():
            return
        try:
            self._database.run_on_file(lambda db: forget(db, name))
        except IndexUnusable:
            self._database.discard()

    def close(self) -> None:
        """Close the file; the next question opens it again."""
        self._database.close()

    def _rated(self, word: str) -> list[tuple[str, int]]:
        """Conversation and message of the answers whose rating is ``good`` or ``bad``."""
        stamp = stamp_of(self._feedback) if self._feedback else None
        if self._feedback is not None and stamp != self._ratings_stamp:
            self._ratings, self._ratings_stamp = _human_ratings(self._feedback), stamp
        return [key for key, good in self._ratings.items() if good == (word == "good")]

    def _up_to_date(self, ask: Callable[[sqlite3.Connection], list[IndexRow]]) -> list[IndexRow]:
        """The answer to a question, after a refresh."""

        def run(db: sqlite3.Connection) -> list[IndexRow]:
            refresh(db, self.folder, self._on_progress)
            return ask(db)

        return self._database.run(run)


def _human_ratings(log: Path) -> dict[tuple[str, int], bool]:
    """Conversation and message of the answers that a person rated, and whether they are good.

    Raises:
        StorageError: the log cannot be read.
    """
    found: dict[tuple[str, int], bool] = {}
    for record, fate in FeedbackLog(log).events():  # newest first
        if fate is Fate.LIVE and isinstance(record, Rating) and record.target and record.judge.by == "human":
            message = record.target.messages[0]
            if isinstance(message, int) and abs(message) < 2**63:
                found.setdefault((record.target.transcript, message), record.good)
    return found


def _select(query: SearchQuery, count: int) -> tuple[str, list[Any]]:
    """The SQL of a query. Rowids grow with the time of the last change: `index_database`."""
    snippet = f"snippet(words, 0, '{_OPEN}', '{_CLOSE}', '…', {_SNIPPET_WORDS})"
    conditions: list[str] = []
    values: list[Any] = []
    if query.match:
        conditions.append("words MATCH ?")
        values.append(query.match)
    for bound, operator in ((query.after, ">="), (query.before, "<")):
        if bound is not None:
            conditions.append(f"words.rowid {operator} ?")
            values.append(max(bound, 0) << SECOND_BITS)
    if query.rated is not None:
        # The plus keeps a full-text match from being made once for each rating.
        conditions.append(f"{'+' if query.match else ''}words.rowid IN ({_RATED})")
    text = snippet if query.words else f"substr(words.content, 1, {_PLAIN_SNIPPET})"
    found = (
        f"SELECT words.rowid AS row, {text} AS snippet, message, role FROM words "
        f"WHERE {' AND '.join(conditions)} ORDER BY words.rowid DESC LIMIT ?"
    )
    owner = "(SELECT max(first) FROM transcripts WHERE first <= found.row AND rows > 0)"
    sql = (
        f"SELECT {', '.join('t.' + column for column in _SUMMARY.split(', '))}, message, role, snippet "
        f"FROM ({found}) AS found JOIN transcripts AS t ON t.first = {owner} AND t.rows > 0 ORDER BY row DESC"
    )
    return sql, [*values, count]


def _summary(row: IndexRow) -> Summary:
    name, mtime_ns, started, title, messages, models, damage = row
    return Summary(
        name, title, _time(mtime_ns // 10**9), None if started is None else _time(started), messages,
        tuple(models.split("\n")) if models else (), damage,
    )  # fmt: skip


def _hit(row: IndexRow) -> Hit:
    summary = _summary(row[:-3])
    message, role, marked = row[-3:]
    text, matches, begin = "", [], 0
    for character in " ".join(marked.replace(SEPARATOR, "").split()):
        if character == _OPEN:
            begin = len(text)
        elif character == _CLOSE:
            matches.append((begin, len(text)))
        else:
            text += character
    return Hit(summary.name, summary.title, summary.written, message, role, text, tuple(matches))


def _time(seconds: int) -> datetime:
    """UTC, or the epoch for times that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
