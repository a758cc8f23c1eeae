"""The streams, the environment, the paths and the exit signals of one run, passed in instead of looked up."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, TextIO

import typer

from chatcli.chat.formats.json_text import json_text
from chatcli.errors import StorageError, UsageError
from chatcli.settings import Paths, Settings
from chatcli.terminal.sanitize import sanitize
from chatcli.words import listed

if TYPE_CHECKING:
    from chatcli.app.sessions import SessionBuilder
    from chatcli.terminal.screen import Screen


@dataclass(frozen=True, slots=True)
class Invocation:
    """What one run of the program reads and writes.

    Attributes:
        stdin: bytes, since a pipe may carry any data.
        stdout: for answers and data only.
        stderr: for everything else.
        environ: environment variables.
        paths: where user data is kept.
    """

    stdin: IO[bytes]
    stdout: TextIO
    stderr: TextIO
    environ: Mapping[str, str]
    paths: Paths

    @classmethod
    def from_process(cls) -> "Invocation":
        """Return the streams and the environment of this process."""
        return cls(sys.stdin.buffer, sys.stdout, sys.stderr, os.environ, Paths.locate(os.environ))

    @property
    def interactive(self) -> bool:
        """Whether stdin and stdout are a terminal, so that a person can chat."""
        return self.stdin.isatty() and self.stdout.isatty()

    @property
    def sessions(self) -> "SessionBuilder":
        """What builds sessions here; warnings go to stderr."""
        from chatcli.app.sessions import SessionBuilder

        return SessionBuilder(self.paths, self.environ, self.say)

    def screen(self, settings: Settings, *, on_stderr: bool = False) -> "Screen":
        """Return a screen on stdout, or on stderr, in the style of the settings."""
        from chatcli.terminal.screen import Screen

        return Screen(
            self.stderr if on_stderr else self.stdout,
            self.environ,
            color=settings.color,
            markdown=settings.markdown,
            plain=settings.plain,
            show_thinking=settings.show_thinking,
            keys=self.stdin,
        )

    def piped_text(self) -> str:
        """Return the text from a pipe without its last newline; '' if stdin is a terminal.

        Raises:
            UsageError: the data is binary.
        """
        if self.stdin.isatty():
            return ""
        data = self.stdin.read()
        if b"\0" in data:
            raise UsageError("standard input is binary, not text; pass a picture with -i -")
        return data.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")

    def write(self, text: str) -> None:
        """Write text to stdout at once, made harmless for a terminal.

        Raises:
            BrokenPipeError: the reader closed the pipe.
        """
        self._write_safely(self.stdout, sanitize(text))

    def write_data(self, text: str) -> None:
        """Write text that is safe by its format, such as JSON, to stdout."""
        self._write_safely(self.stdout, text)

    def write_json(self, record: Any, *, indent: int | None = 2) -> None:
        """Write a value as JSON to stdout, in UTF-8 in every locale; see ``json_text``."""
        self.write_bytes(json_text(record, indent=indent).encode())

    def write_bytes(self, data: bytes) -> None:
        """Write bytes to stdout unchanged; they must be harmless if stdout is a terminal."""
        with _writing():
            self.stdout.buffer.write(data)
            self.stdout.buffer.flush()

    def note(self, text: str) -> None:
        """Write a line to stderr."""
        self._write_safely(self.stderr, sanitize(text) + "\n")

    def say(self, text: str) -> None:
        """Write a message of the program to stderr."""
        self.note(f"chatcli: {text}")

    def confirm(self, names: Sequence[str], lines: Iterable[str]) -> bool:
        """Show what would be removed and ask for permission, on stderr.

        Args:
            names: of what would be removed, for the error.
            lines: describe it.

        Raises:
            UsageError: stdin is not a terminal.
        """
        if not self.stdin.isatty():
            raise UsageError(f"not a terminal: pass --yes to remove {listed(names, most=5)}")
        for line in lines:
            self.note(line)
        if typer.confirm(f"Remove {'it' if len(names) == 1 else f'these {len(names)}'} for good?", err=True):
            return True
        self.say("nothing was removed")
        return False

    @staticmethod
    def _write_safely(stream: TextIO, text: str) -> None:
        encoding = stream.encoding or "utf-8"
        with _writing():
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Turn an error of the file that receives the output into a ``StorageError``."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StorageError(f"the output cannot be written: {reason}") from None


@contextlib.contextmanager
def exit_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise ``SystemExit``, so that a chat is saved and the terminal is restored.

    The exit code is 128 plus the number of the signal, as in shells. Later signals are ignored, since a
    closing terminal may send both kinds; Ctrl-C still works.
    """
    leaving = False

    def leave(number: int, _frame: FrameType | None) -> None:
        nonlocal leaving
        if not leaving:
            leaving = True
            raise SystemExit(128 + number)

    with signals_handled(leave, "SIGTERM", "SIGHUP"):
        yield


@contextlib.contextmanager
def signals_handled(handler: Callable[[int, FrameType | None], None], *names: str) -> Iterator[None]:
    """Call ``handler`` at these signals, if the platform has them; Windows has no SIGHUP."""
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    former = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in former.items():
            signal.signal(number, previous)
