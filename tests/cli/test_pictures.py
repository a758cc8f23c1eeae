"""Pictures on the command line, through the whole program."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from chatcli.chat.transcript.reader import load
from chatcli.errors import ExitCode
from tests.pictures import picture_bytes, picture_file
from tests.program import run

SCRIPTED = ("-m", "scripted:")


def kept(home: Path) -> list[Path]:
    """The pictures beside the transcripts."""
    return sorted((home / "transcripts").rglob("*.pictures/*"))


def test_a_question_about_a_picture(home: Path, tmp_path: Path) -> None:
    """Several, with words and piped text; before the command too; without any words."""
    cat, dog = picture_file(tmp_path / "cat.png"), picture_file(tmp_path / "dog.png", "blue")
    done = run(
        home, *SCRIPTED, "ask", "-i", str(cat), "--image", str(dog), "What", "is this?", stdin="text\n"
    )
    assert done.stdout == (
        "I see cat.png, 30 x 20 pixels. I see dog.png, 30 x 20 pixels. I heard: What is this?\n\ntext\n"
    )
    assert done.stderr == ""
    assert {file.read_bytes() for file in kept(home)} == {cat.read_bytes(), dog.read_bytes()}
    assert run(home, *SCRIPTED, "-n", "-i", str(cat), "ask").stdout == "I see cat.png, 30 x 20 pixels.\n"
    assert run(home, *SCRIPTED, "-n", "-i", str(cat)).stdout == "I see cat.png, 30 x 20 pixels.\n"


def test_a_picture_through_a_pipe(home: Path) -> None:
    """``-i -``; without it the bytes are said to be no text, and what would take them."""
    done = run(home, "ask", *SCRIPTED, "-i", "-", "What is this?", stdin=picture_bytes())
    assert done.stdout == "I see stdin, 30 x 20 pixels. I heard: What is this?\n"
    done = run(home, "ask", *SCRIPTED, "What is this?", stdin=picture_bytes())
    assert done.code == ExitCode.USAGE
    assert "-i -" in done.stderr


def test_going_on_about_a_picture(home: Path, tmp_path: Path) -> None:
    """The model sees it again, when the file is long gone, and when nothing more is kept."""
    cat = picture_file(tmp_path / "cat.png")
    run(home, "ask", *SCRIPTED, "-i", str(cat), "look")
    cat.unlink()
    for more in ((), ("-n",)):
        done = run(home, "ask", *SCRIPTED, "-c", *more, "--show-prompt", "and now?")
        assert "[picture: cat.png, 64 tokens]" in done.stdout
        assert run(home, "ask", *SCRIPTED, "-c", *more, "and now?").stderr == ""
    (file,) = kept(home)
    file.write_bytes(b"changed")
    done = run(home, "ask", *SCRIPTED, "-c", "and now?")
    assert done.code == ExitCode.OK
    assert done.stderr.count("\n") == 1
    assert "does not see cat.png" in done.stderr
    (transcript,) = (home / "transcripts").rglob("*.txt")
    assert load([transcript.read_bytes()]).conversation.path()[-1].extra == {"unseen": "1"}


def test_the_prompt_has_a_line_a_picture(home: Path, tmp_path: Path) -> None:
    """For people; JSON has every token."""
    arguments = ["ask", *SCRIPTED, "--show-prompt", "look"]
    for name, color in (("cat.png", "red"), ("a\x1b\nb.png", "blue")):
        arguments += ["-i", str(picture_file(tmp_path / name, color))]
    shown = run(home, *arguments).stdout
    lines = [line.strip() for line in shown.split("\n") if "64 tokens" in line]
    assert lines == ["* [picture: cat.png, 64 tokens]", "* [picture: a^[ b.png, 64 tokens]"]
    assert "\x1b" not in shown
    record = json.loads(run(home, *arguments, "--json").stdout)
    assert sum(token["id"] < 0 for token in record["tokens"]) == 128
    assert [t["text"] for t in record["tokens"] if t["id"] < 0 and t["text"]] == ["cat.png", "a\x1b\nb.png"]
    assert not kept(home)


def test_a_model_that_does_not_see(home: Path, tmp_path: Path) -> None:
    """Is refused the picture before anything is written: an exit code, and one line with the way out."""
    cat = picture_file(tmp_path / "cat.png")
    for more in ((), ("--show-prompt",), ("--json",)):
        done = run(home, "ask", *more, "-i", str(cat), "What is this?")
        assert (done.code, done.stdout) == (ExitCode.MODEL, "")
        assert done.stderr.startswith("chatcli: lkjsxclm cannot see cat.png: ")
        assert "--mmproj" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not list((home / "transcripts").rglob("*.*"))


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, ExitCode.USAGE, "no such file"),
        (b"hello", ExitCode.DATA, "no picture of a known format"),
        (picture_bytes(size=(200, 200))[:200], ExitCode.DATA, "damaged picture"),
    ],
)
def test_what_is_no_picture(home: Path, tmp_path: Path, content: bytes | None, code: int, words: str) -> None:
    """One line and the documented exit code; no model is loaded for it."""
    file = tmp_path / "cat\x1b.png"
    if content is not None:
        file.write_bytes(content)
    done = run(home, "ask", "-m", "scripted:/nowhere", "-i", str(file), "look")
    assert (done.code, done.stdout) == (code, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


def test_a_transcript_takes_its_pictures_along(home: Path, tmp_path: Path) -> None:
    """Exported as it is, imported elsewhere, counted, removed; without them the words come."""
    run(home, "ask", *SCRIPTED, "-i", str(picture_file(tmp_path / "cat.png")), "look")
    out, other = tmp_path / "out" / "mine.txt", tmp_path / "other"
    other.mkdir()
    assert run(home, "transcripts", "export", "last", "-f", "raw", "-o", str(out)).code == 0
    everything = tmp_path / "all"
    run(home, "transcripts", "export", "--all", "-f", "raw", "-o", str(everything))
    assert [f.read_bytes() for f in out.parent.rglob("*.png")] == [picture_bytes()]
    done = run(other, "transcripts", "import", str(out))
    assert done.stderr == ""
    assert [file.read_bytes() for file in kept(other)] == [picture_bytes()]
    assert "cat.png, 64 tokens" in run(other, "ask", *SCRIPTED, "-c", "--show-prompt", "and?").stdout
    (transcript,) = (other / "transcripts").rglob("*.txt")
    size = transcript.stat().st_size + len(picture_bytes())
    assert json.loads(run(other, "transcripts", "stats", "--json").stdout)["bytes"] == size
    run(other, "transcripts", "rm", "last", "--yes")
    assert not list((other / "transcripts").rglob("*.*"))
    shutil.rmtree(out.parent / "mine.pictures")
    done = run(other, "transcripts", "import", str(out))
    assert done.code == ExitCode.OK
    assert "there is no picture cat.png in" in done.stderr
    assert "\nlook\n" in run(other, "transcripts", "show", "last").stdout


def test_the_shell_offers_pictures_and_folders(home: Path, tmp_path: Path) -> None:
    """At Tab, nothing else."""
    for name in ("a.png", "sub/b.gif"):
        picture_file(tmp_path / "photos" / name)
    (tmp_path / "photos" / "a.txt").touch()
    code = f"from chatcli.cli.completion import pictures; print(pictures({f'{tmp_path}/photos/'!r}))"
    done = run(home, "-c", code, command=[sys.executable])
    assert done.stdout == f"{[f'{tmp_path}/photos/a.png', f'{tmp_path}/photos/sub/']}\n"
