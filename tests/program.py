"""Runs the whole program as its users do: in a pipe, or in a real terminal whose screen can be looked at."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "models" / "lkjsxclm-q8_0.gguf"
CHATCLI = [sys.executable, "-c", "from chatcli.__main__ import main; main()"]
# The binding opens /dev/null at import and never closes it.
WARNINGS = "error,ignore::ResourceWarning"
# What says where the developer's own settings and models are.
_FOREIGN = ("CHATCLI_", "HF_", "XDG_", "OLLAMA_", "LLAMA_CACHE")
_PATIENCE = 60.0  # seconds until a screen that does not come is a failure


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a run: user data below ``home``, no setting of the developer's own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN) and k != "NO_COLOR"}
    return (
        kept
        | {
            "CHATCLI_HOME": str(home),
            "HOME": str(home / "nobody"),
            "TERM": "xterm-256color",
            "PYTHONWARNINGS": WARNINGS,
        }
        | dict(extra or {})
    )


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended."""

    stdout: str
    stderr: str
    code: int


def run(
    home: Path,
    *arguments: str,
    stdin: str | bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    command: Sequence[str] = CHATCLI,
) -> Run:
    """Run ``chatcli ARGUMENTS`` with pipes on all sides.

    Args:
        home: folder of the user data.
        stdin: what is piped in.
        env: variables on top of ``environment``.
        command: what to run instead of chatcli.
    """
    done = subprocess.run(
        [*command, *arguments],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        env=environment(home, env),
        cwd=cwd,
        timeout=120,
        check=False,
    )
    return Run(done.stdout.decode(), done.stderr.decode(), done.returncode)


class Terminal:
    """The program in a pseudo-terminal with a screen.

    Args:
        home: folder of the user data.
        arguments: of the program.
        size: columns and rows.
        command: what to run instead of chatcli.
        cwd: folder to run it in.
    """

    def __init__(
        self,
        home: Path,
        *arguments: str,
        size: tuple[int, int] = (80, 24),
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = CHATCLI,
        cwd: Path | None = None,
    ) -> None:
        self.screen = pyte.HistoryScreen(*size, history=10_000)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        variables = environment(home, {"PROMPT_TOOLKIT_NO_CPR": "1"} | dict(env or {}))
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd or Path.cwd())
            os.execvpe(command[0], [*command, *arguments], variables)
        self.resize(*size)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the terminal, as dragging its window would."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, keys: str | bytes) -> None:
        """Type. Control keys are their characters: ``\\x03`` is Ctrl-C, ``\\r`` Enter."""
        os.write(self._fd, keys.encode() if isinstance(keys, str) else keys)

    def signal(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        os.kill(self.pid, number)

    def drain(self) -> None:
        """Take in what the program has printed so far, so that it never waits for a reader."""
        while select.select([self._fd], [], [], 0)[0] and self._read(0):
            pass

    @property
    def text(self) -> str:
        """What is on the screen now."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    @property
    def scrollback(self) -> str:
        """Everything printed, the lines that scrolled off included."""
        rows = [*self.screen.history.top, *(self.screen.buffer[y] for y in range(self.screen.lines))]
        return "\n".join(
            "".join(row[x].data for x in range(self.screen.columns)).rstrip() for row in rows
        ).rstrip()

    def wait_for(self, wanted: str | Callable[[str], bool], patience: float = _PATIENCE) -> str:
        """Read until the scrollback holds ``wanted`` (or satisfies it); returns the scrollback.

        Raises:
            AssertionError: it does not come, or the program ends first; shows the screen.
        """
        end = time.monotonic() + patience
        while True:
            text = self.scrollback
            if wanted(text) if callable(wanted) else wanted in text:
                return text
            alive = self._read(min(0.2, max(0.0, end - time.monotonic())))
            if not alive or time.monotonic() > end:
                why = "the program ended" if not alive else f"not within {patience:g} s"
                last = self.scrollback
                if wanted(last) if callable(wanted) else wanted in last:
                    return last
                raise AssertionError(f"waited for {wanted!r}: {why}; the screen is\n{self._framed()}")

    def wait_for_exit(self, patience: float = _PATIENCE) -> int:
        """Read until the program ends; returns its exit code, or minus the signal that ended it.

        Raises:
            AssertionError: it does not end.
        """
        end = time.monotonic() + patience
        while self._read(0.2):
            if time.monotonic() > end:
                raise AssertionError(f"the program does not end; the screen is\n{self._framed()}")
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def _read(self, seconds: float) -> bool:
        """Take in what the program printed; False when it has closed the terminal."""
        ready, _, _ = select.select([self._fd], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # Linux reports a closed pty so
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def _framed(self) -> str:
        edge = "+" + "-" * self.screen.columns + "+"
        return "\n".join([edge, *(f"|{line}|" for line in self.screen.display), edge])
