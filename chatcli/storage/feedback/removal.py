"""Removes the judgements of removed conversations from the feedback log, so that nothing quotes them."""

from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from chatcli.feedback.codec import decode
from chatcli.feedback.records import Judgement, Retraction
from chatcli.files.append import PATIENCE, AppendFile
from chatcli.files.disk import open_regular, storage_error
from chatcli.files.record_log import LONGEST_LINE
from chatcli.files.replace import atomic_write
from chatcli.storage.feedback.log import FeedbackLog

_RETRACTS = b"retracts"


def remove_judgements(log: Path, conversations: Collection[str]) -> int:
    """Remove the records that quote an answer of these conversations, and the retractions of these records.

    The log is locked and replaced in one step; every other byte of it stays. A line that cannot be read is
    removed if it names one of the conversations, also in the file of lines that a repair moved aside.

    Args:
        log: the feedback log.
        conversations: ids of the conversations.

    Returns:
        The number of removed lines.

    Raises:
        StorageError: the log could not be rewritten; it is as before.
    """
    aside = FeedbackLog(log).damaged_path
    return sum(_remove_from(path, conversations) for path in (log, aside) if path.exists())


def _remove_from(log: Path, conversations: Collection[str]) -> int:
    with AppendFile(log) as file:
        file.hold(exists=True, patience=PATIENCE)
        doomed = _Doomed(conversations)
        try:
            count = sum(doomed.takes(line) for line in _pieces(log))
        except OSError as error:
            raise storage_error("read", log, error) from error
        if count:
            doomed = _Doomed(conversations)
            atomic_write(log, (line for line in _pieces(log) if not doomed.takes(line)))
    return count


class _Doomed:
    """Tells of each line of a log, given in their order, whether to remove it."""

    def __init__(self, conversations: Collection[str]) -> None:
        self._conversations = set(conversations)
        self._needles = [
            msgspec.json.encode(name)
            for name in conversations
            if name == name.encode("utf-8", "ignore").decode()
        ]
        self._removed: set[str] = set()

    def takes(self, line: bytes) -> bool:
        """Whether to remove this line."""
        named = any(needle in line for needle in self._needles)
        if not named and not (self._removed and _RETRACTS in line):
            return False
        try:
            record = decode(line)
        except (ValueError, RecursionError):
            return named
        if isinstance(record, Retraction):
            return record.retracts in self._removed
        assert isinstance(record, Judgement)
        here = record.target is not None and record.target.transcript in self._conversations
        if here:
            self._removed.add(record.id)
        return here


def _pieces(path: Path) -> Iterator[bytes]:
    """The lines with their ends; a line that is too long for a record comes in pieces."""
    with open_regular(path) as file:
        while piece := file.readline(LONGEST_LINE):
            yield piece
