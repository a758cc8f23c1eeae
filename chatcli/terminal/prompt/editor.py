"""Opens a text in the person's editor."""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from chatcli.errors import ChatcliError, UsageError
from chatcli.terminal.prompt.keyboard import on_ctrl_c

_DEFAULT = "notepad" if os.name == "nt" else "vi"


def edit(text: str, environ: Mapping[str, str]) -> str:
    """Open a text in ``$VISUAL``, else ``$EDITOR``, and return what was saved, without final newlines.

    Only this user can read the file, and it exists only while the editor runs. Raises ChatcliError if the
    editor cannot be used.
    """
    choice = environ.get("VISUAL") or environ.get("EDITOR") or _DEFAULT
    try:
        command = shlex.split(choice, posix=os.name != "nt")
    except ValueError as error:
        raise UsageError(f"the editor is set to {choice!r}: {error}") from None
    if not command:
        raise UsageError("the editor is empty; set EDITOR to an editor")
    try:
        with tempfile.TemporaryDirectory(prefix="chatcli-") as folder:  # of mode 0700
            file = Path(folder, "message.md")
            file.touch(mode=0o600)
            file.write_bytes(text.encode("utf-8", "surrogatepass"))
            with on_ctrl_c(lambda: None):  # Ctrl-C is for the editor
                code = subprocess.call([*command, str(file)])
            if code != 0:
                raise ChatcliError(f"the editor {choice!r} ended with code {code}; nothing was changed")
            return file.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n")
    except FileNotFoundError as error:
        if error.filename != command[0]:
            raise ChatcliError("the editor removed the file; nothing was changed") from None
        raise UsageError(f"no such editor: {command[0]!r}; set EDITOR to another one") from None
    except OSError as error:
        raise ChatcliError(f"the editor {choice!r} cannot be used: {error.strerror or error}") from None
