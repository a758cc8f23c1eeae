"""Finds the few lines of a long log of records that are about something, without decoding the others.

A line is looked at only if it holds one of some byte strings; the rest passes at the speed of the disk.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from chatcli.feedback.codec import decode
from chatcli.feedback.records import Judgement, Record, Retraction
from chatcli.storage.durable import storage_error
from chatcli.storage.records import LONGEST_LINE

_BLOCK = 2**22
_RETRACTION = b'"retraction"'


class Line(NamedTuple):
    """A whole line of a log.

    Attributes:
        offset: of its first byte in the file.
        data: without the newline at its end.
    """

    offset: int
    data: bytes


def lines_with(path: Path, needles: Sequence[bytes], start: int = 0) -> Iterator[Line]:
    r"""The lines that hold one of ``needles``, in their order. A last line without ``\n`` is not whole.

    Args:
        path: the log; one that does not exist is empty.
        needles: byte strings without a newline.
        start: the offset to begin at; that of a line.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            at, rest = start, b""
            while piece := file.read(_BLOCK):
                block = rest + piece
                end = block.rfind(b"\n") + 1
                for begin, stop in _matches(block, end, needles):
                    yield Line(at + begin, block[begin:stop])
                rest = block[end:]
                at += end
                if len(rest) > LONGEST_LINE:  # no record is so long: the file is broken here
                    at, rest = at + len(rest), b""
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error("read", path, error) from error


def records_about(path: Path, conversation: str) -> Iterator[Record]:
    """The records whose answers are in a conversation, and the retractions of these, oldest first.

    Args:
        path: the feedback log.
        conversation: its name. Lines that cannot be read are passed over.

    Raises:
        StorageError: the log cannot be read.
    """
    for _, record in judgements_of(path, conversation):
        yield record


def judgements_of(path: Path, conversation: str) -> Iterator[tuple[Line, Record]]:
    """As ``records_about``, each with its line."""
    try:
        needle = msgspec.json.encode(conversation)
    except UnicodeEncodeError:  # not the name of any conversation that was judged
        return
    found: set[str] = set()
    for line in lines_with(path, (needle, _RETRACTION)):
        try:
            record = decode(line.data)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, Retraction):
            if record.retracts not in found:
                continue
        elif not (
            isinstance(record, Judgement)
            and record.target is not None
            and record.target.transcript == conversation
        ):
            continue
        found.add(record.id)
        yield line, record


def _matches(block: bytes, end: int, needles: Sequence[bytes]) -> list[tuple[int, int]]:
    """Where the lines are, up to ``end``, that hold a needle: begin and stop, in order."""
    found = set()
    for needle in needles:
        at = block.find(needle, 0, end)
        while at >= 0:
            stop = block.index(b"\n", at)
            found.add((block.rfind(b"\n", 0, at) + 1, stop))
            at = block.find(needle, stop + 1, end)
    return sorted(found)
