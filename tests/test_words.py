"""Numbers, lists and texts as people read them."""

import pytest

from chatcli.words import binary_size, byte_size, counted, duration, excerpt, listed, part_of_size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (5_300, "5.3 kB"),
        (6_800_000, "6.8 MB"),
        (1_280_000_000, "1.28 GB"),
        (12_800_000_000, "12.8 GB"),
        (4_200_000_000_000, "4.20 TB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    """Bytes are counted in powers of ten, with two digits where a tenth of a gigabyte is much."""
    assert byte_size(size) == text


@pytest.mark.parametrize(
    ("size", "text"), [(5, "5 bytes"), (4 * 2**20, "4 MiB"), (2**34, "16 GiB"), (2**33 + 2**32, "12 GiB")]
)
def test_sizes_in_powers_of_two(size: int, text: str) -> None:
    """Memory and limits are counted in powers of two, without a needless zero."""
    assert binary_size(size) == text


@pytest.mark.parametrize(
    ("part", "size", "text"),
    [
        (0, 0, "0/0 bytes"),
        (1, 1, "1/1 byte"),
        (5, 999, "5/999 bytes"),
        (3_400_000, 6_800_000, "3.4/6.8 MB"),
        (40_000_000, 3_221_000_000, "0.04/3.22 GB"),
    ],
)
def test_parts_have_the_unit_of_the_whole(part: int, size: int, text: str) -> None:
    """What is done of a download is given in the unit of all of it."""
    assert part_of_size(part, size) == text


def test_counts() -> None:
    """A noun agrees with its number, and thousands are separated."""
    assert [counted(n, "answer") for n in (0, 1, 2, 12345)] == [
        "0 answers",
        "1 answer",
        "2 answers",
        "12,345 answers",
    ]
    assert counted(2, "entry", "entries") == "2 entries"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3599.7, "1 h"),
        (7500, "2 h 5 min"),
        (100 * 3600, "100 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """A duration has its two largest units, and is rounded before they are chosen."""
    assert duration(seconds) == text


def test_lists() -> None:
    """Items are listed as in a sentence; too many are counted."""
    assert [listed("abc"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert listed("ab", "or") == "a or b"
    assert listed("abcd", most=2) == "a, b and 2 more"
    assert listed("ab", most=2) == "a and b"


def test_excerpts() -> None:
    """A text is put on one line and cut at a word, or inside of one that is very long."""
    assert excerpt("one\n two\tthree", 20) == "one two three"
    assert excerpt("one two three four", 13) == "one two…"
    assert excerpt("one two three four", 14) == "one two three…"
    assert excerpt("x" * 50, 10) == "x" * 9 + "…"
    assert excerpt("word " * 1000, 12) == "word word…"
    assert excerpt(" " * 1000 + "late", 10) == "…"
