"""Text files in a message."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from chatcli.errors import UsageError
from chatcli.session.attachments import MOST_BYTES, MOST_FILES, Attachment, enclose, read_files


@settings(deadline=None)
@given(st.text(alphabet="`~ \nab"), st.text(alphabet="`~ \nab"))
def test_no_content_ends_its_own_fence(first: str, second: str) -> None:
    """A Markdown reader finds exactly the files, whatever they hold."""
    text = enclose([Attachment("a", first), Attachment("b", second)])
    fences = [token.content for token in MarkdownIt().parse(text) if token.type == "fence"]
    assert fences == [c if c.endswith("\n") else c + "\n" for c in (first, second)]


def test_files_folders_and_patterns(tmp_path: Path) -> None:
    """Each file once, in order; of folders and patterns the text files only, and no hidden ones."""
    for name in ("a.txt", "b.md", "sub/c.txt", ".git/config", "sub/.hidden"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\1")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    found = read_files([str(tmp_path / "a.txt"), str(tmp_path)])
    assert [a.text for a in found] == ["a.txt", "b.md", "sub/c.txt"]
    found = read_files([str(tmp_path / "**" / "*.txt")])
    assert [a.text for a in found] == ["a.txt", "sub/c.txt"]


def test_encodings(tmp_path: Path) -> None:
    """UTF-8 with and without its mark, UTF-16 with one; an empty file is a file."""
    for name, data in {
        "a": "é".encode(),
        "b": b"\xef\xbb\xbf" + "é".encode(),
        "c": "é".encode("utf-16"),
        "d": b"",
    }.items():
        (tmp_path / name).write_bytes(data)
    texts = [a.text for a in read_files([str(tmp_path / name) for name in "abcd"])]
    assert texts == ["é", "é", "é", ""]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.write_bytes(b"a\0b"), "binary"),
        (lambda p: p.write_bytes(b"\xff\xfe\x00"), "binary, or not UTF-8"),
        (lambda p: p.write_bytes(b"x" * (MOST_BYTES + 1)), "exceed 4 MiB"),
        (lambda p: p.mkdir(), "no text file found"),
        (
            lambda p: [p.mkdir(), *((p / str(i)).touch() for i in range(MOST_FILES + 1))],
            "more than 200 files",
        ),
        (lambda p: p.symlink_to("/dev/zero"), "is not a file"),
        (lambda p: p.symlink_to(p), "no such file"),
    ],
)
def test_what_cannot_be_attached_is_named(tmp_path: Path, make: object, words: str) -> None:
    """One line says which file and why; nothing is taken."""
    path = tmp_path / "thing"
    make(path)  # type: ignore[operator]
    with pytest.raises(UsageError, match=words) as caught:
        read_files([str(path)])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a\0b", "~nobody-has-this-name/x", "x" * 5000, "[", "*"])
def test_names_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Strange names are refused like missing files."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        read_files([name])


def test_a_fifo_is_what_a_shell_hands_over(tmp_path: Path) -> None:
    """``-f <(command)`` works."""
    reader, writer = os.pipe()
    os.write(writer, b"from a command")
    os.close(writer)
    assert read_files([f"/dev/fd/{reader}"])[0].text == "from a command"
    os.close(reader)
