"""A log is read from its end, and every line is found again by its position."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.datasets.feedback_source import FeedbackSource
from chatcli.errors import StorageError
from chatcli.files import record_log as records

_LINES = st.lists(
    st.sampled_from([b"", b"{}", b'{"a": 1}', b"x" * 300_000, b"\r", b"\xff\xe2\x80\xa8"]), max_size=8
)


@given(_LINES, st.booleans())
@settings(max_examples=60, deadline=None)
def test_lines_and_positions(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ended: bool
) -> None:
    """Backwards are the lines of the file in reverse; each position leads to its line and its number."""
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    data = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    path.write_bytes(data)
    expected = data.removesuffix(b"\n").split(b"\n") if data else []
    with FeedbackSource(path) as source:
        found = list(source.backwards())
        assert [line for _, line in reversed(found)] == expected
        for number, (position, line) in enumerate(reversed(found), start=1):
            assert source.line_at(position) == line
            assert source.line_number(position) == number


def test_what_is_appended_meanwhile_is_not_seen(tmp_path: Path) -> None:
    """Also by the hash."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"1\n2\n")
    with FeedbackSource(path) as source:
        before = source.sha256()
        with path.open("ab") as log:
            log.write(b"3\n4")
        assert list(source.backwards()) == [(2, b"2"), (0, b"1")]
        assert source.sha256() == before


def test_a_line_that_is_too_long_costs_itself(tmp_path: Path) -> None:
    """The lines before it keep their positions."""
    path = tmp_path / "log.jsonl"
    with path.open("wb") as log:
        log.write(b"first\n")
        log.seek(records.LONGEST_LINE + 10, 1)  # a hole takes no room on the disk
        log.write(b"x\nlast\n")
    with FeedbackSource(path) as source:
        found = list(source.backwards())
        assert [line for _, line in found] == [b"last", None, b"first"]
        assert [position for position, _ in found] == [records.LONGEST_LINE + 18, 6, 0]


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """And one that cannot be read is said to be so."""
    with FeedbackSource(tmp_path / "none") as source:
        assert (list(source.backwards()), source.size) == ([], 0)
    with pytest.raises(StorageError):
        FeedbackSource(tmp_path)
