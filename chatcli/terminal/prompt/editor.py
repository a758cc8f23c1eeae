"""Lets the person edit a text in an editor of their choice."""

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from chatcli.errors import ChatcliError, UsageError

_DEFAULT = "notepad" if os.name == "nt" else "vi"


def edit(text: str, environ: Mapping[str, str]) -> str:
    """Open a text in ``$VISUAL``, else ``$EDITOR``, and return what was saved, without final newlines.

    The text lies in a file that only this user can read, for as long as the editor runs.

    Raises:
        UsageError: there is no such editor.
        ChatcliError: it failed, or the file cannot be written or read again.
    """
    choice = environ.get("VISUAL") or environ.get("EDITOR") or _DEFAULT
    try:
        command = shlex.split(choice, posix=os.name != "nt")
    except ValueError as error:
        raise UsageError(f"the editor is set to {choice!r}: {error}") from None
    if not command:
        raise UsageError("the editor is set to nothing; set EDITOR to one")
    try:
        with tempfile.TemporaryDirectory(prefix="chatcli-") as folder:  # of mode 0700
            file = Path(folder, "message.md")
            file.touch(mode=0o600)
            file.write_bytes(text.encode("utf-8", "surrogatepass"))
            with _ctrl_c_is_the_editors():
                code = subprocess.call([*command, str(file)])
            if code != 0:
                raise ChatcliError(f"the editor {choice!r} ended with code {code}; nothing was taken from it")
            return file.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n")
    except FileNotFoundError as error:
        if error.filename != command[0]:
            raise ChatcliError("the editor left no file; nothing was taken from it") from None
        raise UsageError(f"there is no editor {command[0]!r}; set EDITOR to one") from None
    except OSError as error:
        raise ChatcliError(f"the editor {choice!r} cannot be used: {error.strerror or error}") from None


@contextmanager
def _ctrl_c_is_the_editors() -> Iterator[None]:
    """Ctrl-C reaches every process of the terminal. A handler, unlike SIG_IGN, is not inherited."""
    former = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
