"""Pictures dropped onto a terminal: what is taken for a path, and what is a message."""

import shlex
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from chatcli.terminal.prompt.line import dropped_pictures
from tests.pictures import picture_file

NAMES = ["cat.png", "my cat.JPG", 'it\'s "a" cat.webp', "[a]*?.png", "café \u202e.gif", "50% $HOME.png"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "typed",
    [
        str,
        shlex.quote,
        lambda path: "".join(c if c.isalnum() or c in "/_.-" else f"\\{c}" for c in path),
        lambda path: "file://" + urllib.parse.quote(path),
        lambda path: f"  {shlex.quote(path)} ",
    ],
    ids=["plain", "quoted", "escaped", "address", "blanks"],
)
def test_however_a_terminal_types_a_path(tmp_path: Path, name: str, typed: Callable[[str], str]) -> None:
    """The file is found, whatever its name."""
    path = str(picture_file(tmp_path / name))
    assert dropped_pictures(typed(path)) == [path]


def test_several_at_once(tmp_path: Path) -> None:
    """All of them, or the line is a message."""
    paths = [str(picture_file(tmp_path / name)) for name in NAMES]
    assert dropped_pictures(" ".join(map(shlex.quote, paths))) == paths
    assert dropped_pictures(" ".join(map(shlex.quote, [*paths, "gone.png"]))) == []


def test_a_path_from_here_or_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is typed by hand."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    picture_file(tmp_path / "cat.png")
    assert dropped_pictures("cat.png") == ["cat.png"]
    assert dropped_pictures("~/cat.png") == ["~/cat.png"]


@pytest.mark.parametrize(
    "typed", ["", " ", "'", "What is in {}?", "{} is a cat", "{}\nlook", "notes.txt", "/dev/null", "x\0.png"]
)
def test_what_is_a_message(tmp_path: Path, typed: str) -> None:
    """Words around it, a file that is not there, one that is no picture, a folder."""
    (tmp_path / "folder.png").mkdir()
    path = picture_file(tmp_path / "cat.png")
    assert dropped_pictures(typed.format(path)) == []
    assert dropped_pictures(str(tmp_path / "folder.png")) == []
    assert dropped_pictures(f"{path}" * 10_000) == []
