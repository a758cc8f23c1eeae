"""The feedback log: what it keeps through crashes and full disks, and how it is read from either end."""

import io
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.chat.message import assistant, user
from chatcli.errors import StorageError, UsageError
from chatcli.feedback.codec import NewerRecord, decode, encode
from chatcli.feedback.judgements import Fate
from chatcli.feedback.records import Rating, Record, Target, rating, retraction
from chatcli.files.record_log import DamagedLine, lines_backwards
from chatcli.storage.feedback.log import FeedbackLog
from tests.files.test_durable import file_size_limit, mode_of
from tests.files.test_kill import Verdict, Writer, torture

START = datetime(2026, 11, 20, tzinfo=UTC)
NEWER = b'{"kind":"vote","schema":2,"id":"v"}'


def good(number: int, message: int | None = None, transcript: str = "t", words: str = "") -> Rating:
    """A rating; ``number`` is in its id, and it is of message ``message`` (left out: ``number``)."""
    target = Target(transcript=transcript, messages=(number if message is None else message,))
    time = START + timedelta(seconds=number)
    return rating(
        [user("q")], assistant(f"answer {number}{words}"), target, thumb=1, time=time,
        id=f"{time:%Y%m%d-%H%M%S}-abc{number:03}",
    )  # fmt: skip


def filled(folder: Path, *items: Record | bytes) -> FeedbackLog:
    """A log of records and of other lines."""
    log = FeedbackLog(folder / "feedback.jsonl")
    lines = (item if isinstance(item, bytes) else encode(item) for item in items)
    log.path.write_bytes(b"".join(line + b"\n" for line in lines))
    return log


@settings(max_examples=150, deadline=None)
@given(
    content=st.lists(st.sampled_from([b"a", b"bc", b"\n"]), max_size=20).map(b"".join),
    longest=st.integers(1, 6),
    block=st.integers(1, 7),
)
def test_lines_backwards_are_the_lines_in_reverse(content: bytes, longest: int, block: int) -> None:
    """Whatever the blocks cut; a line that is too long is None."""
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    wanted = [line if len(line) <= longest else None for line in reversed(lines)]
    assert list(lines_backwards(io.BytesIO(content), longest, block)) == wanted


def test_what_is_appended_is_read_from_both_ends(tmp_path: Path) -> None:
    """Durable, private, in order."""
    log = FeedbackLog(tmp_path / "folder" / "feedback.jsonl")
    assert not list(log.read())
    assert not list(log.events())
    assert not log.last(3)
    records = [good(n) for n in range(5)]
    for record in records:
        log.append(record)
    assert list(log.read()) == records
    assert list(log.read_backwards()) == records[::-1]
    assert log.last(2) == records[-2:]
    assert log.last(0) == []
    assert log.last(99) == records
    assert mode_of(log.path) == 0o600


def test_a_failed_save_is_kept_and_tried_again(tmp_path: Path) -> None:
    """It is said, the record stays in memory, and the next append saves it first."""
    log = FeedbackLog(tmp_path / "feedback.jsonl")
    log.append(good(1))
    before = log.path.read_bytes()
    with file_size_limit(len(before) + 100):
        for number in (2, 3):
            with pytest.raises(StorageError, match="cannot"):
                log.append(good(number))
    assert log.path.read_bytes() == before
    assert list(log.pending) == [good(2), good(3)]
    log.append(good(4))
    assert not log.pending
    assert list(log.read()) == [good(n) for n in (1, 2, 3, 4)]
    assert log.retry() == 0


def test_damage_is_passed_over_reported_and_moved_aside(tmp_path: Path) -> None:
    """In both directions; what a newer version wrote is no damage and stays."""
    log = filled(tmp_path, good(1), b"<html>", NEWER, good(2), b'{"kind":"rating"}', good(3))
    assert [i.line for i in log.read() if isinstance(i, DamagedLine)] == [2, 3, 5]
    checked = list(log.validate())
    assert [i.line for i in checked if isinstance(i, DamagedLine)] == [2, 5]
    assert [i.schema for i in checked if isinstance(i, NewerRecord)] == [2]
    assert [r and r.id for r in log.read_backwards()][::2] == [good(3).id, good(2).id, None]
    assert log.last(2) == [good(2), good(3)]
    assert list(log.live()) == [good(1), good(2), good(3)]
    assert log.repair() == 2
    assert log.path.read_bytes().split(b"\n") == [
        *(encode(good(1)), NEWER, encode(good(2)), encode(good(3))),
        b"",
    ]
    assert log.damaged_path.read_bytes() == b'<html>\n{"kind":"rating"}\n'
    assert log.repair() == 0


def test_what_counts_is_found_in_order(tmp_path: Path) -> None:
    """Superseded and retracted ones are left out of ``live`` and named in ``events``."""
    log = filled(
        tmp_path, good(1), good(2), b"", good(3, message=1), b"bad", good(4, transcript="u"),
        retraction(good(2).id, time=START), b"  ", good(5, message=1, transcript="v"),
    )  # fmt: skip
    assert [r.id for r in log.live()] == [good(n).id for n in (3, 4, 5)]
    assert [fate.value for _, fate in log.events()] == [
        "live", "mark", "live", "live", "retracted", "superseded",
    ]  # fmt: skip
    assert [r.id for r in log.of_transcript("t")] == [good(3).id]
    assert log.of_transcript("answer") == []
    assert log.fate(good(2).id) is Fate.RETRACTED
    with pytest.raises(UsageError, match="no judgement"):
        log.fate("x")


def test_judgements_are_found_by_what_people_type(tmp_path: Path) -> None:
    """The id, its beginning, its last part, or last; what fits several names them."""
    log = filled(
        tmp_path, good(1), good(2), good(3, message=2), retraction(good(3).id, time=START), b"abc002"
    )
    assert log.find(good(2).id) == log.find("abc002") == log.find(good(2).id[:-1]) == good(2)
    assert log.find("last") == good(1)
    with pytest.raises(UsageError, match=r"several judgements.*abc003"):
        log.find("2026")
    for nothing in ("nope", "", "answer"):
        with pytest.raises(UsageError, match=r"no judgement|empty"):
            log.find(nothing)
    with pytest.raises(UsageError, match="nothing has been judged"):
        FeedbackLog(tmp_path / "none").find("last")


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A log much larger than what reading it takes; ``last`` does not read what it does not need."""
    log = filled(tmp_path, *(good(n % 3, n, words="x" * 20_000) for n in range(600)))
    size = log.path.stat().st_size
    tracemalloc.start()
    assert len(log.last(3)) == 3
    assert sum(1 for _ in log.live()) == 600
    assert sum(fate is Fate.LIVE for _, fate in log.events()) == 600
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 8


def test_an_unreadable_log_is_one_clear_line(tmp_path: Path) -> None:
    """A folder in the file's place."""
    log = FeedbackLog(tmp_path)
    for attempt in (log.live, log.events, log.read):
        with pytest.raises(StorageError, match="cannot read"):
            list(attempt())


def judge_log(path: Path, writers: list[Writer]) -> Verdict:
    """Compare the log with what was acknowledged."""
    found, merged, torn = set(), 0, 0
    for line in path.read_bytes().split(b"\n"):
        try:
            record = decode(line)
            found.add((record.origin.removeprefix("import:"), int(record.foreign_id or "0")))
        except ValueError:
            merged += b'{"kind"' in line[1:]
            torn += b'{"kind"' not in line[1:] and bool(line)
    lost = sum((w.name, n) not in found for w in writers for n in w.acknowledged)
    return Verdict(lost, merged, torn)


def check_no_judgement_is_lost(path: Path, kills: int) -> None:
    """The claim, for the default run and for the soak; then the damaged lines are moved aside."""
    program = "tests.storage.feedback_appender"
    verdict, writers = torture(path, kills, "repaired", program=program, judge=judge_log)
    assert sum(len(w.acknowledged) for w in writers) > 0
    assert (verdict.lost, verdict.merged) == (0, 0), verdict
    log = FeedbackLog(path)
    assert log.repair() == verdict.torn
    assert not any(isinstance(item, DamagedLine) for item in log.read())
    assert judge_log(path, writers) == Verdict(0, 0, 0)


def test_twenty_kills_lose_no_judgement(tmp_path: Path) -> None:
    """Two judging processes and 20 SIGKILLs: nothing acknowledged is lost, no fragment merged."""
    check_no_judgement_is_lost(tmp_path / "feedback.jsonl", 20)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_kills_lose_no_judgement(tmp_path: Path) -> None:
    """The same over 200 SIGKILLs."""
    check_no_judgement_is_lost(tmp_path / "feedback.jsonl", 200)


def test_without_the_tail_repair_judgements_merge(tmp_path: Path) -> None:
    """The control: with the repair switched off, the same torture merges a fragment with a later record."""
    program = "tests.storage.feedback_appender"
    path = tmp_path / "feedback.jsonl"
    verdict, _ = torture(path, 300, "unrepaired", until_damage=True, program=program, judge=judge_log)
    assert verdict.merged > 0
