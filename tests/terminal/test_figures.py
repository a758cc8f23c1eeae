"""Tables, answers side by side, bars and trees on screens of several widths; keys that were typed ahead."""

import io

import pytest

from chatcli.terminal.prompt.keyboard import typed_text
from chatcli.terminal.rows import Row, break_text, cells
from chatcli.terminal.screen import Screen

_ANSWERS = [("first · seed 1", "An answer with **bold** words."), ("second", "- another\n- answer")]


class _Tty(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def _printed(width: int, *, plain: bool = True) -> tuple[Screen, io.StringIO]:
    out = _Tty()
    return Screen(out, {"TERM": "xterm", "NO_COLOR": "1"}, plain=plain, size=lambda: (width, 24)), out


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_table_fits_and_keeps_every_cell(width: int) -> None:
    """A table has all its cells on a screen of any width, and no row is wider than the screen."""
    screen, out = _printed(width)
    screen.table(
        [["/regen", "answer again"], ["/siblings", "walk the answers side by side"]], ["command", "what"]
    )
    assert all(cells(line) <= width for line in out.getvalue().splitlines())
    for word in ("command", "/regen", "/siblings", "side"):
        assert word in out.getvalue()


def test_answers_stand_side_by_side_or_one_below_the_other() -> None:
    """Two answers share their rows where there is room, and are stacked where there is not."""
    wide, out = _printed(80, plain=False)
    wide.side_by_side(_ANSWERS)
    assert any("first" in line and "second" in line for line in out.getvalue().splitlines())
    narrow, out = _printed(40, plain=False)
    narrow.side_by_side(_ANSWERS)
    assert not any("first" in line and "second" in line for line in out.getvalue().splitlines())
    assert "another" in out.getvalue()


@pytest.mark.parametrize("width", [20, 80])
def test_a_context_bar_says_every_count(width: int) -> None:
    """Every part has its tokens, and what is used and free adds up to the context."""
    screen, out = _printed(width)
    screen.context_bar([("system", 100), ("you: a very long question indeed", 900)], 4000)
    for count in ("100", "900", "1,000", "3,000"):
        assert count in out.getvalue()
    assert all(cells(line) <= width for line in out.getvalue().splitlines())


def test_hostile_text_is_harmless_everywhere() -> None:
    """Nothing that is printed can act on the terminal, whichever way it is printed."""
    screen, out = _printed(40)
    evil = "a\x1b]52;c;x\x07\u202eb[/]"
    screen.note(evil)
    screen.error(evil)
    screen.text(evil)
    screen.answer(evil, evil)
    screen.reasoning(evil)
    screen.table([[evil]], [evil])
    screen.side_by_side([(evil, evil)])
    screen.context_bar([(evil, 1)], 2)
    screen.tree([(0, evil, True)])
    assert "\x1b" not in out.getvalue()
    assert "\u202e" not in out.getvalue()
    assert out.getvalue().count("[/]") >= 9


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (b"next question\r", "next question"),
        (b"a\x7fb", "b"),
        ("né\x7f中".encode(), "n中"),
        (b"gone\x15kept", "kept"),
        (b"\x1b[A\x1b[1;5Cx\x1bOP\x03\x04", "x"),
        (b"two\rlines\r\r", "two\nlines"),
        (b"\x7f\xff", "\ufffd"),
    ],
)
def test_typed_ahead(keys: bytes, text: str) -> None:
    """Keys typed while an answer streams become the text they would have typed."""
    assert typed_text(keys) == text


@pytest.mark.parametrize(
    ("text", "width", "rows"),
    [
        ("one two three", 8, ["one two", "three"]),
        ("a\n\nb", 8, ["a", "", "b"]),
        ("abcdefghij kl", 4, ["abcd", "efgh", "ij", "kl"]),
        ("中文字符", 5, ["中文", "字符"]),
        ("e\u0301e\u0301e\u0301", 2, ["e\u0301e\u0301", "e\u0301"]),
        ("  indented", 20, ["  indented"]),
        ("", 5, [""]),
    ],
)
def test_breaking_text(text: str, width: int, rows: list[str]) -> None:
    """Text breaks at white space and between wide characters; a word is cut only if it fits no row."""
    assert [text[at.start : at.end] for at in break_text(text, width)] == rows


def test_width_is_never_underestimated() -> None:
    """Joined and emoji-styled characters count as what the least able terminal draws."""
    assert Row((("❤\ufe0f", ""),)).width == 2
    assert Row((("👩\u200d👧", ""),)).width == 4


def test_a_terminal_without_unicode_gets_ascii() -> None:
    """Where the output cannot be encoded, bullets and bars are ASCII and other characters are spelt out."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    screen = Screen(out, {"TERM": "xterm"}, size=lambda: (80, 24))
    screen.side_by_side([("t", "- item\n  > quoted"), ("u", "word")])
    screen.context_bar([("system", 1)], 2)
    screen.note("né")
    out.seek(0)
    printed = out.read()
    assert "n\\xe9" in printed
    assert "####" in printed
