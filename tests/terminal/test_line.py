"""What a typed text means."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.terminal.commands.table import NAMES
from chatcli.terminal.prompt.line import BLOCK, Order, Say, in_open_block, parse


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hello", Say("hello")),
        ("  indented\n", Say("  indented\n")),
        ("", None),
        (" \n\t", None),
        ("/help", Order("/help", "")),
        (" /help  ", Order("/help", "")),
        ("/set  K V", Order("/set", "K V")),
        ("/rename a  b", Order("/rename", "a  b")),
        ("/system\ttext", Order("/system", "text")),
        ("/frob", Order("/frob", "")),
        ("/etc/hosts what is it?", Say("/etc/hosts what is it?")),
        ("//help", Say("/help")),
        ("/help\nsecond line", Say("/help\nsecond line")),
        ("/usr\n/bin", Say("/usr\n/bin")),
        (f"{BLOCK}\n/help\n{BLOCK}", Say("/help")),
        (f"{BLOCK}a{BLOCK}", Say("a")),
        (f"{BLOCK}{BLOCK}", None),
        (f"{BLOCK}unfinished\nblock", Say("unfinished\nblock")),
        (f"/system {BLOCK}one\ntwo{BLOCK}", Order("/system", "one\ntwo")),
        (f"/frob {BLOCK}one\ntwo{BLOCK}", Say(f"/frob {BLOCK}one\ntwo{BLOCK}")),
        ("/?", Order("/?", "")),
        (" 👍 ", Order("/👍", "")),
        ("👎\U0001f3fd", Order("/👎", "")),
        ("👍 thanks", Say("👍 thanks")),
        ("?", Say("?")),
        (f"{BLOCK}👍{BLOCK}", Say("👍")),
    ],
)
def test_what_is_a_command_and_what_is_said(typed: str, meant: Say | Order | None) -> None:
    """Only a single line, or a command with a block, is a command."""
    assert parse(typed, NAMES) == meant


@settings(deadline=None)
@given(st.text(alphabet='/"\n abé', max_size=40))
def test_no_text_of_several_lines_is_eaten(text: str) -> None:
    """Whatever is pasted in several lines reaches the model, unless it is a command's block or empty."""
    meant = parse(f"/x{text}\nend", NAMES)
    assert isinstance(meant, Say)


@pytest.mark.parametrize(
    ("typed", "is_open"),
    [
        (BLOCK, True),
        (f"{BLOCK}a\n", True),
        (f"{BLOCK}a{BLOCK}", False),
        (f"  {BLOCK}a\n{BLOCK}  ", False),
        (f"/system {BLOCK}a", True),
        (f"/system {BLOCK}a{BLOCK}", False),
        (f"a {BLOCK}", False),
        ("", False),
    ],
)
def test_where_enter_begins_a_line(typed: str, is_open: bool) -> None:
    """Inside of a block that is open."""
    assert in_open_block(typed) is is_open


def test_long_texts_take_linear_time() -> None:
    """A megabyte of what could make a pattern backtrack is parsed at once (the test would take hours)."""
    for piece in ('"""', " ", '""" ', "/", "\n"):
        text = f"/system {BLOCK}" + piece * 300_000 + "x"
        parse(text, NAMES)
        in_open_block(text)
