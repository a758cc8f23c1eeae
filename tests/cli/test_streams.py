"""Standard streams that are closed, or lead to a full disk."""

import sys
from pathlib import Path

import pytest

from chatcli.errors import ExitCode
from tests.program import CHATCLI, run


def _redirected(home: Path, how: str, *arguments: str) -> tuple[int, str, str]:
    command = ["sh", "-c", f'exec "$@" {how}', "sh", *CHATCLI]
    done = run(home, *arguments, command=command)
    return done.code, done.stdout, done.stderr


@pytest.mark.parametrize("how", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_nothing(home: Path, how: str) -> None:
    """What would go there is lost, and nothing else is: no traceback, and no file of ours gets its number."""
    for arguments in (("models", "list"), ("ask", "-m", "lkjsxclm", "--max-tokens", "2", "hi")):
        code, out, err = _redirected(home, how, *arguments)
        assert (code, "Traceback" in err, "internal" in err) == (0, False, False), err
        assert bool(out) == (">&-" not in how.replace("2>&-", ""))
    for file in home.rglob("*.txt"):
        assert file.read_bytes().startswith(b"<")


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize(
    "arguments", [("models", "list"), ("models", "list", "--json"), ("models", "default")]
)
def test_output_to_a_full_disk(home: Path, arguments: tuple[str, ...]) -> None:
    """One line, and the code of what cannot be written."""
    code, _, err = _redirected(home, ">/dev/full", *arguments)
    assert (code, err.count("\n")) == (ExitCode.STORAGE, 1)
    assert "the output cannot be written" in err
