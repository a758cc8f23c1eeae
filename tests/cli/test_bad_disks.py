"""Commands on a disk that is full, and with pipes where files of ours should be."""

import json
import os
import sys
from pathlib import Path

import pytest

from chatcli.errors import ExitCode
from tests.program import CHATCLI, Run, run

FULL = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *CHATCLI]  # a file cannot grow by a byte

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits and pipes")


def keep(home: Path, *questions: str) -> list[str]:
    """Conversations, the first question's first; their names, the newest first."""
    for question in questions:
        assert run(home, "ask", "-m", "scripted:", question).code == 0
    return [chat["id"] for chat in json.loads(run(home, "transcripts", "list", "--json").stdout)]


def plainly(done: Run, code: int = 0) -> str:
    """The output of a run that ended with this code, and with a line at most where it failed."""
    assert done.code == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "internal" not in done.stderr
    if code:
        assert done.stderr.count("\n") == 1
    return done.stdout


def test_reading_needs_no_room_on_the_disk(home: Path) -> None:
    """Lists and searches are complete on a full disk, whether the index is there, behind or missing."""
    keep(home, "apples", "pears")
    run(home, "ask", "-m", "scripted:", "quinces")  # the index does not know it yet
    for _ in range(2):
        assert len(json.loads(plainly(run(home, "transcripts", "list", "--json", command=FULL)))) == 3
        assert "quinces" in plainly(run(home, "transcripts", "search", "quinces", command=FULL))
        assert "quinces" in plainly(run(home, "transcripts", "show", "last", command=FULL))
        for file in (home / "cache").glob("index*"):
            file.unlink()


def test_a_removal_on_a_full_disk_can_be_repeated(home: Path) -> None:
    """What needs room is done first: where that fails, no conversation is gone, and ``last`` is the same."""
    keep(home, "one")
    assert run(home, "rate", "--last", "good").code == 0
    names = keep(home, "two", "three")
    assert run(home, "rate", "--last", "good").code == 0
    plainly(run(home, "transcripts", "rm", "last", "--feedback", "--yes", command=FULL), ExitCode.STORAGE)
    assert keep(home) == names
    plainly(run(home, "transcripts", "rm", "last", "--feedback", "--yes"))
    assert keep(home) == names[1:]
    plainly(run(home, "transcripts", "rm", "last", "--yes", command=FULL))
    assert keep(home) == names[2:]
    assert plainly(run(home, "transcripts", "search", "two")) == ""


@pytest.mark.parametrize(
    ("file", "command", "refused"),
    [
        ("config.toml", ("models", "list"), True),
        ("models.json", ("models", "list"), True),
        ("feedback.jsonl", ("feedback", "list"), True),
        ("feedback.jsonl", ("rate", "--last", "good"), True),
        ("guidelines.md", ("rate", "--last", "good"), False),
        ("transcripts/pipe.txt", ("transcripts", "list"), False),
        ("transcripts/pipe.txt", ("transcripts", "show", "pipe"), True),
        ("cache/index.sqlite", ("transcripts", "list"), False),
        ("cache/probe.json", ("ask", "-m", "lkjsxclm", "--max-tokens", "1", "hi"), False),
        ("cache/checksums.json", ("ask", "-m", "lkjsxclm", "--max-tokens", "1", "hi"), False),
    ],
)
def test_a_pipe_in_place_of_a_file_is_not_waited_for(
    home: Path, file: str, command: tuple[str, ...], refused: bool
) -> None:
    """What must be read is refused in a line that names it; caches and what is passed over do not matter."""
    keep(home, "hello")
    path = home / file
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    done = run(home, *command)
    assert "Traceback" not in done.stderr
    assert "internal" not in done.stderr
    if refused:
        assert done.code != 0
        assert path.name in done.stderr
        assert "a pipe" in done.stderr
    else:
        assert done.code == 0, done.stderr
