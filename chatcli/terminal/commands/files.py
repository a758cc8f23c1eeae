"""Commands that write answers and chats to files, or copy answers to the clipboard."""

import base64
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from chatcli.chat.formats.exporting import KINDS, RAW, kind_of, render_as
from chatcli.chat.message import Picture
from chatcli.errors import ChatcliError, UsageError
from chatcli.files.replace import atomic_write
from chatcli.storage.transcripts.log import read_bytes
from chatcli.storage.transcripts.pictures import PictureFolder
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.attaching import words_of
from chatcli.terminal.commands.conversation import last_answer
from chatcli.terminal.commands.declaration import SlashCommand
from chatcli.words import listed

# Characters of base64; some terminals drop longer sequences (xterm's limit for OSC 52).
_LONGEST_SEQUENCE = 74_994
_PATIENCE = 5.0


@SlashCommand("/save", arguments="[--all] FILE", files=bool, words=("--all",))
def save(chat: Chat, argument: str) -> None:
    """Write the last answer to a file, or with --all the whole chat."""
    words = words_of(argument)
    whole = "--all" in words
    names = [word for word in words if word != "--all"]
    if len(names) != 1:
        raise UsageError("/save needs one file name; --all writes the whole chat")
    answer = b"" if whole else (last_answer(chat).message.content + "\n").encode("utf-8", "replace")
    content = _rendered(chat, "bare") if whole else iter([answer])
    _write(chat, names[0], content, "the chat" if whole else "the answer")


@SlashCommand("/export", arguments="FILE [FORMAT]", files=bool)
def export(chat: Chat, argument: str) -> None:
    """Write the chat to a file: .txt, .md, .html or .json.

    FORMAT: bare (.txt), markdown, html, json, sharegpt or trl; raw copies the transcript.
    """
    words = words_of(argument)
    if not 1 <= len(words) <= 2:
        raise UsageError(f"/export needs a file name; after it may come a format: {', '.join(KINDS)}")
    kind = kind_of(*words)
    pictures = chat.session.conversation.pictures if kind == RAW else []
    _write(chat, words[0], _rendered(chat, kind), "the chat", pictures)


@SlashCommand("/copy", arguments="[code [N]]", words=("code",))
def copy(chat: Chat, argument: str) -> None:
    """Copy the last answer, or its last (Nth) code block, to the clipboard."""
    answer = last_answer(chat).message.content
    word, _, number = argument.partition(" ")
    if not argument:
        text, what = answer, "the answer"
    elif word == "code":
        from chatcli.terminal.markdown.dialect import code_blocks

        blocks = code_blocks(answer)
        if not blocks:
            raise UsageError("the last answer has no code block")
        chosen = number or str(len(blocks))
        if not chosen.isdecimal() or not 1 <= int(chosen) <= len(blocks):
            raise UsageError(f"no code block {chosen}; the last answer has {len(blocks)}")
        text, what = blocks[int(chosen) - 1], f"code block {chosen} of {len(blocks)}"
    else:
        raise UsageError("/copy takes nothing, or code, or code and the number of a block")
    how = copy_text(text, chat.surroundings.out, chat.surroundings.environ)
    chat.screen.note(f"(copied {what}, {len(text)} characters, to the clipboard, by {how})")


def _rendered(chat: Chat, kind: str) -> Iterator[bytes]:
    """The chat in one of the formats of ``transcripts export``."""
    if kind != RAW:
        for text in render_as(chat.session.conversation, kind):
            yield text.encode("utf-8", "replace")  # Markdown may contain lone surrogates
        return
    file = chat.session.transcript
    if file is None:
        raise UsageError("this chat has no transcript to copy; choose another format")
    yield read_bytes(file)


def _write(
    chat: Chat, name: str, content: Iterator[bytes], what: str, pictures: Iterable[Picture] = ()
) -> None:
    if not len(chat.session.conversation):
        raise UsageError("this chat is empty")
    try:
        path = Path(name).expanduser()
        if os.path.lexists(path):
            raise UsageError(f"{name} exists already; choose another name or remove it first")
    except (ValueError, RuntimeError) as error:  # a NUL in the name; an unknown home folder
        raise UsageError(f"{name} cannot be written: {error}") from None
    if not path.parent.is_dir():
        raise UsageError(f"{name} cannot be written: no such folder: {path.parent}")
    with PictureFolder(path).holding(pictures):
        atomic_write(path, content)
    chat.screen.note(f"(wrote {what} to {path})")


def copy_text(text: str, out: TextIO, environ: Mapping[str, str]) -> str:
    """Copy a text, and return how: the names of the tools that took it.

    The terminal is asked with OSC 52 (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html), which works
    over ssh too. The text is sent as base64, so nothing in it can act on the terminal.
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
