"""The record log: what it acknowledges, what it makes of damaged files, and that a repair loses nothing."""

import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.errors import StorageError
from chatcli.files.record_log import LONGEST_LINE, DamagedLine, RecordLog

from .test_durable import file_size_limit, mode_of

GOOD = b'{"n":1}'
FAULTS = {
    b'{"n":1': "malformed|truncated",
    b'{"n":NaN}': "invalid character",
    b"[" * 100_000: "nested too deeply",
    b'{"n":' + b"9" * 5000 + b"}": "out of range",
    b'"\xff\xfe"': "utf-8",
    b'{"n":1}{"n":2}': "trailing",
    b"\0" * 4096: "zero bytes",
    b'{"n":"\xed\xa0\x80"}': "utf-8",
    b"<html>": "malformed",
}


def log_at(folder: Path, longest_line: int = LONGEST_LINE) -> RecordLog[Any]:
    """A log of anything that is JSON."""
    path = folder / "log.jsonl"
    return RecordLog(path, msgspec.json.encode, msgspec.json.decode, longest_line=longest_line)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=5))
def test_what_is_appended_is_read(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    """In order and unchanged, whatever the strings hold (U+2028 and U+0085 among them)."""
    log = log_at(tmp_path_factory.mktemp("log"))
    for value in [*values, {"\u2028": "a\x85b\nc"}]:
        log.append(value)
    assert list(log.read()) == [*values, {"\u2028": "a\x85b\nc"}]
    assert mode_of(log.path) == 0o600


def test_a_log_without_a_file_is_empty(tmp_path: Path) -> None:
    """Reading and repairing create nothing."""
    log = log_at(tmp_path)
    assert list(log.read()) == []
    assert log.repair() == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", FAULTS, ids=lambda line: repr(line[:12]))
@pytest.mark.parametrize("place", ["first", "middle", "last", "unended"])
def test_damage_is_located_and_passed_over(tmp_path: Path, bad: bytes, place: str) -> None:
    """Every other record is read; the damage names line and fault; repair moves just that line aside."""
    log = log_at(tmp_path)
    lines = {"first": [bad, GOOD, GOOD], "middle": [GOOD, bad, GOOD]}.get(place, [GOOD, GOOD, bad])
    content = b"\n".join(lines) + (b"" if place == "unended" else b"\n")
    log.path.write_bytes(content)
    items = list(log.read())
    number = lines.index(bad) + 1
    damage = items[number - 1]
    assert isinstance(damage, DamagedLine)
    assert damage.line == number
    expected = FAULTS[bad] if place != "unended" else f"cut short|{FAULTS[bad]}"
    with pytest.raises(Exception, match=f"(?i)log.jsonl:{number}: .*({expected})"):
        raise damage.error(log.path)
    assert "\n" not in damage.fault
    assert [i for i in items if i != damage] == [{"n": 1}, {"n": 1}]
    assert log.repair() == 1
    assert log.path.read_bytes() == GOOD + b"\n" + GOOD + b"\n"
    assert log.damaged_path.read_bytes() == bad + b"\n"
    assert mode_of(log.path) == mode_of(log.damaged_path) == 0o600
    assert log.repair() == 0


def test_what_editors_do_to_a_file_is_no_damage(tmp_path: Path) -> None:
    """A byte order mark, CRLF, empty lines and a missing last newline."""
    log = log_at(tmp_path)
    log.path.write_bytes(b'\xef\xbb\xbf{"n":1}\r\n\r\n  \n{"n":2}')
    assert list(log.read()) == [{"n": 1}, {"n": 2}]
    log.append({"n": 3})
    assert list(log.read()) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_an_append_after_a_torn_tail_is_read(tmp_path: Path) -> None:
    """The fragment stays a line of its own, reported and repairable."""
    log = log_at(tmp_path)
    log.path.write_bytes(GOOD + b'\n{"n":')
    log.append({"n": 2})
    first, torn, second = log.read()
    assert (first, second) == ({"n": 1}, {"n": 2})
    assert isinstance(torn, DamagedLine)
    assert torn.line == 2
    assert log.repair() == 1
    assert log.damaged_path.read_bytes() == b'{"n":\n'


def test_a_line_without_end_costs_bounded_memory(tmp_path: Path) -> None:
    """A line longer than the limit is damage, is not kept in memory, and is moved aside whole."""
    log = log_at(tmp_path, longest_line=10_000)
    log.path.write_bytes(GOOD + b"\n" + b"x" * 3_000_000 + b"\n" + GOOD + b"\n")
    tracemalloc.start()
    first, damage, last = log.read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000
    assert first == last == {"n": 1}
    assert damage == DamagedLine(2, "the line is longer than 10000 bytes")
    assert log.repair() == 1
    assert log.damaged_path.read_bytes() == b"x" * 3_000_000 + b"\n"
    with pytest.raises(StorageError, match="too long"):
        log.append({"n": "x" * 10_000})
    assert list(log.read()) == [{"n": 1}, {"n": 1}]


def test_a_failed_repair_changes_nothing(tmp_path: Path) -> None:
    """No room for the new file: the log is as it was."""
    log = log_at(tmp_path)
    content = GOOD * 1 + b"\nbad\n" + (GOOD + b"\n") * 2000
    log.path.write_bytes(content)
    with file_size_limit(5000), pytest.raises(StorageError):
        log.repair()
    assert log.path.read_bytes() == content
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.jsonl", "log.jsonl.damaged"]


def test_a_writer_that_waited_for_a_repair_writes_into_the_new_file(tmp_path: Path) -> None:
    """The repair replaces the file; a log object made before goes on with the new one."""
    log, other = log_at(tmp_path), log_at(tmp_path)
    log.append({"n": 1})
    log.path.write_bytes(log.path.read_bytes() + b"bad\n")
    assert other.repair() == 1
    log.append({"n": 2})
    assert list(other.read()) == [{"n": 1}, {"n": 2}]


def test_an_unreadable_log_is_one_clear_line(tmp_path: Path) -> None:
    """A folder in the file's place."""
    log = log_at(tmp_path)
    log.path.mkdir()
    with pytest.raises(StorageError, match="not a file"):
        list(log.read())


def test_a_record_with_a_newline_is_refused(tmp_path: Path) -> None:
    """An encoder that breaks the format is a bug, and is not written."""
    log: RecordLog[bytes] = RecordLog(tmp_path / "log", bytes, bytes)
    with pytest.raises(ValueError, match="newline"):
        log.append(b"a\nb")
    assert not log.path.exists()
