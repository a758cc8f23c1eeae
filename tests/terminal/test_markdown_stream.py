"""Markdown that streams: nothing is lost, nothing fails, and it looks the same however it was cut."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.terminal.markdown.stream import MarkdownStream
from chatcli.terminal.rows import Row, cells
from chatcli.terminal.sanitize import sanitize

_TALL = 10_000

# What makes markdown difficult, between words that can be recognised again.
_MARKUP = st.sampled_from(
    [
        *("*", "**", "***", "_", "__", "~~", "`", "``", "```", "```python", "~~~", "~~~~", "\\", "\\("),
        *("[", "](", "]", ")", "![", "<", ">", "<b>", "</b>", "<!--", "-->", "---", "===", ":"),
        *("&amp;", "&#27;", "&#x202e;", "[/]", "[bold]", "http://x.y/z"),
        *("é", "e\u0301", "\u200d", "中文字", "👩\u200d👩\u200d👧"),
        *("> ", "- ", "+ ", "* ", "1. ", "2) ", "# ", "### "),
        *("\n", "\n\n", "\n    ", "\n  ", " ", "  ", "\t", "\n| a | b |\n|---|--:|\n"),
    ]
)


@st.composite
def _documents(draw: st.DrawFn) -> str:
    parts = draw(st.lists(st.one_of(_MARKUP, st.just("w")), max_size=40))
    return "".join(f"w{number}w" if part == "w" else part for number, part in enumerate(parts))


def _pieces(text: str, sizes: list[int]) -> list[str]:
    """The text in pieces of these sizes, again and again."""
    pieces, at, turn = [], 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        pieces.append(text[at : at + size])
        at, turn = at + size, turn + 1
    return pieces


def stream(text: str, sizes: list[int], width: int = 40, height: int = _TALL) -> list[Row]:
    """The rows of a text that arrives in pieces and is drawn after each."""
    markdown = MarkdownStream()
    rows: list[Row] = []
    for piece in _pieces(text, sizes):
        markdown.feed(sanitize(piece))
        rows += markdown.take(width, height)
        markdown.live(width)
    return rows + markdown.finish(width)


def _styled(rows: list[Row]) -> list[list[tuple[str, str]]]:
    """Character by character, so that pieces may be cut anywhere."""
    return [[(character, style) for text, style in row.pieces for character in text] for row in rows]


def _letters(text: str) -> str:
    """What words and the numbers of lists consist of; a long word may have been cut anywhere."""
    return re.sub(r"[^w\d]", "", text)


@settings(deadline=None)
@given(_documents(), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.sampled_from([20, 40, 80]))
def test_chunks_do_not_matter(text: str, sizes: list[int], width: int) -> None:
    """However a text is cut, and however often it is drawn, the rows are those of the whole text."""
    assert _styled(stream(text, sizes, width)) == _styled(stream(text, [len(text) or 1], width))


@settings(deadline=None)
@given(
    _documents(), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(20, 60), st.integers(1, 8)
)
def test_no_word_is_lost(text: str, sizes: list[int], width: int, height: int) -> None:
    """All words come out once and in order, also where the screen is too low to wait for open markup."""
    expected = _letters(text)
    shown = _letters("".join(row.text for row in stream(text, sizes, width, height)))
    if "|--" in text:  # the lines of neighbouring cells alternate
        expected, shown = "".join(sorted(expected)), "".join(sorted(shown))
    assert shown == expected


@settings(deadline=None)
@given(st.text(max_size=200), st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(1, 100))
def test_any_text_is_shown_without_an_escape(text: str, sizes: list[int], width: int) -> None:
    """Arbitrary text raises nothing, and no control character comes out, on a screen of any width."""
    for row in stream(text, sizes, width, 5):
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", row.text), row


@settings(deadline=None)
@given(_documents(), st.integers(20, 80))
def test_rows_fit_the_screen(text: str, width: int) -> None:
    """No row is wider than the screen."""
    for row in stream(text, [7], width):
        assert cells(row.text) <= width


@pytest.mark.soak
@settings(max_examples=3_000, deadline=None)
@given(
    _documents(), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(20, 60), st.integers(1, 8)
)
def test_no_word_is_lost_soak(text: str, sizes: list[int], width: int, height: int) -> None:
    """As above, many times."""
    test_no_word_is_lost.hypothesis.inner_test(text, sizes, width, height)  # type: ignore[attr-defined]
    assert _styled(stream(text, sizes, width)) == _styled(stream(text, [len(text) or 1], width))


def test_ascii_terminals_get_ascii_markers() -> None:
    """Without Unicode the markers of lists and quotations are ASCII."""
    markdown = MarkdownStream(unicode=False)
    markdown.feed("- one\n  - two\n\n> three\n")
    assert [row.text for row in markdown.finish(40)] == ["* one", "  - two", "", "| three"]


@pytest.mark.parametrize("source", ["> " * 20_000, "*a_" * 2_000, "[a](" * 2_000, "`" * 20_000, "<a" * 3_000])
def test_hostile_nesting_ends(source: str) -> None:
    """Deep nesting and markup that never closes are shown, in time that grows with their length only."""
    shown = "".join(row.text for row in stream(source, [1000], 40, 20))
    assert len(shown) > len(source) // 4


def test_bold_in_a_paragraph_taller_than_the_screen() -> None:
    """No star is left over where its first rows are given away, and every word is there once."""
    words = [f"word{number} **bold{number}**," for number in range(300)]
    shown = " ".join(row.text for row in stream(" ".join(words), [4], 80, 10))
    assert shown.split() == " ".join(words).replace("*", "").split()


@pytest.mark.parametrize("kind", ["", "> ", "- ", "1. "])
def test_a_tall_table_keeps_its_columns(kind: str) -> None:
    """Rows that are given away and rows that come later stand in the same columns, each once."""
    lines = ["| n | text |", "|---|---|", *(f"| {n} | row {n} of many |" for n in range(60))]
    text = "\n".join(
        (kind if not at or kind == "> " else " " * len(kind)) + line for at, line in enumerate(lines)
    )
    rows = [row.text for row in stream(text, [5], 60, 10) if "│ row" in row.text]
    assert [row.split("row ")[1].split()[0] for row in rows] == [str(n) for n in range(60)]
    assert len({row.rindex("│") for row in rows}) == 1
