"""The streams, the environment and the paths of one run, passed in instead of looked up."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, TextIO

from chatcli.chat.formats.json_text import json_text
from chatcli.errors import StorageError, UsageError
from chatcli.settings import Paths
from chatcli.terminal.sanitize import sanitize


@dataclass(frozen=True, slots=True)
class Invocation:
    """What one run of the program may read and write.

    Attributes:
        stdin: bytes, since a pipe may carry anything.
        stdout: answers and data only.
        stderr: everything else.
        environ: environment variables.
        paths: where user data lives.
    """

    stdin: IO[bytes]
    stdout: TextIO
    stderr: TextIO
    environ: Mapping[str, str]
    paths: Paths

    @classmethod
    def from_process(cls) -> "Invocation":
        """The real streams and environment of this process."""
        return cls(sys.stdin.buffer, sys.stdout, sys.stderr, os.environ, Paths.locate(os.environ))

    @property
    def interactive(self) -> bool:
        """Both ends are a terminal, so that a person can chat."""
        return self.stdin.isatty() and self.stdout.isatty()

    def piped_text(self) -> str:
        """Everything on standard input if it is not a terminal, else ''; one final newline is dropped.

        Raises:
            UsageError: it is binary.
        """
        if self.stdin.isatty():
            return ""
        data = self.stdin.read()
        if b"\0" in data:
            raise UsageError("standard input is binary, not text; convert it first (a picture: -i -)")
        return data.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")

    def write(self, text: str) -> None:
        """Write an answer's text to stdout at once, harmless for a terminal.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        self._write_safely(self.stdout, sanitize(text))

    def write_data(self, text: str) -> None:
        """Write machine-readable text, already safe by its own format (JSON), to stdout."""
        self._write_safely(self.stdout, text)

    def write_json(self, record: Any, *, indent: int | None = 2) -> None:
        """Write a value as JSON in UTF-8, whatever the locale, to stdout; see ``json_text``."""
        self.write_bytes(json_text(record, indent=indent).encode())

    def write_bytes(self, data: bytes) -> None:
        """Write a file's content to stdout exactly, for a pipe; not for a terminal unless it is harmless."""
        with _writing():
            self.stdout.buffer.write(data)
            self.stdout.buffer.flush()

    def note(self, text: str) -> None:
        """Tell the person something, on stderr."""
        self._write_safely(self.stderr, sanitize(text) + "\n")

    @staticmethod
    def _write_safely(stream: TextIO, text: str) -> None:
        encoding = stream.encoding or "utf-8"
        with _writing():
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Turn the failure of a file that output is redirected to into one line."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StorageError(
            f"the output cannot be written: {(error.strerror or str(error)).lower()}"
        ) from None
