"""Copies text to the clipboard, through the terminal and through a tool of the desktop."""

import base64
import shutil
import subprocess
from collections.abc import Mapping
from typing import TextIO

from chatcli.errors import ChatcliError
from chatcli.words import listed

# Characters of base64; some terminals drop longer sequences (xterm's limit for OSC 52).
_LONGEST_SEQUENCE = 74_994
_PATIENCE = 5.0


def copy_text(text: str, out: TextIO, environ: Mapping[str, str]) -> str:
    """Copy a text, and return how: the names of the tools that took it.

    The terminal is asked with OSC 52 (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html), which works
    over ssh too. The text is sent as base64, so nothing in it can act on the terminal.

    Args:
        out: the terminal.
        environ: environment variables; they name the desktop.

    Raises:
        ChatcliError: no clipboard can be reached.
    """
    data = text.encode("utf-8", "replace")
    ways = []
    command = _tool(environ)
    if command and _piped(command, text.encode("utf-16-le", "replace") if command[0] == "clip.exe" else data):
        ways.append(command[0])
    encoded = base64.b64encode(data).decode("ascii")
    if out.isatty() and environ.get("TERM") != "dumb" and len(encoded) <= _LONGEST_SEQUENCE:
        out.write(f"\x1b]52;c;{encoded}\x07")
        out.flush()
        ways.append("the terminal")
    if not ways:
        raise ChatcliError("no clipboard can be reached; /save writes the answer to a file")
    return listed(ways)


def _tool(environ: Mapping[str, str]) -> list[str] | None:
    """The command that copies its standard input to the clipboard, or None."""
    candidates = [["pbcopy"]]
    if environ.get("WAYLAND_DISPLAY"):
        candidates.append(["wl-copy"])
    if environ.get("DISPLAY"):
        candidates.append(["xclip", "-selection", "clipboard"])
    candidates.append(["clip.exe"])
    return next((c for c in candidates if shutil.which(c[0], path=environ.get("PATH"))), None)


def _piped(command: list[str], data: bytes) -> bool:
    try:
        done = subprocess.run(
            command,
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
