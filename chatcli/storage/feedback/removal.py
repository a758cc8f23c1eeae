"""Removes the judgements of removed conversations from the feedback log, so that nothing quotes them."""

from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from chatcli.feedback.records import Judgement, Retraction
from chatcli.files.append import PATIENCE, AppendFile
from chatcli.files.record_log import DamagedLine
from chatcli.files.replace import atomic_write
from chatcli.storage.feedback.log import FeedbackLog


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
    count = 0
    for path in (log, FeedbackLog(log).damaged_path):
        if path.exists():
            with AppendFile(path) as file:
                file.hold(exists=True, patience=PATIENCE)
                found = sum(remove for _, remove in _judged(path, conversations))
                if found:
                    atomic_write(path, (line for line, remove in _judged(path, conversations) if not remove))
                count += found
    return count


def _judged(log: Path, conversations: Collection[str]) -> Iterator[tuple[bytes, bool]]:
    """Each line of a log, and whether to remove it."""
    names = [name for name in conversations if name == name.encode("utf-8", "ignore").decode()]
    needles = [msgspec.json.encode(name) for name in names]
    removed: set[str] = set()
    for line, record in FeedbackLog(log).lines():
        remove = False
        if isinstance(record, DamagedLine):
            remove = any(needle in line for needle in needles)
        elif isinstance(record, Retraction):
            remove = record.retracts in removed
        elif isinstance(record, Judgement) and record.target is not None:
            remove = record.target.transcript in conversations
            if remove:
                removed.add(record.id)
        yield line, remove
