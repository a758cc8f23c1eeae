"""Commands that put answers out: into files, into the clipboard."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from chatcli.chat.formats.exporting import KINDS, RAW, kind_of, render_as
from chatcli.chat.message import Picture, Role
from chatcli.errors import UsageError
from chatcli.files.replace import atomic_write
from chatcli.storage.transcripts.log import read_bytes
from chatcli.storage.transcripts.pictures import PictureFolder
from chatcli.terminal.chat import Chat
from chatcli.terminal.clipboard import copy_text
from chatcli.terminal.commands.attaching import words_of


def save(chat: Chat, argument: str) -> None:
    """Writes the last answer, or the chat, to a file that does not exist yet."""
    words = words_of(argument)
    whole = "--all" in words
    names = [word for word in words if word != "--all"]
    if len(names) != 1:
        raise UsageError("/save takes one file; with --all the whole chat goes into it")
    answer = b"" if whole else (_last_answer(chat) + "\n").encode("utf-8", "replace")
    content = _rendered(chat, "bare") if whole else iter([answer])
    _write(chat, names[0], content, "the chat" if whole else "the answer")


def export(chat: Chat, argument: str) -> None:
    """Writes the chat to a file, in the format that is named, else the one of its suffix."""
    words = words_of(argument)
    if not 1 <= len(words) <= 2:
        raise UsageError(f"/export takes a file, and perhaps a format: {', '.join(KINDS)}")
    kind = kind_of(*words)
    pictures = chat.session.conversation.pictures if kind == RAW else []
    _write(chat, words[0], _rendered(chat, kind), "the chat", pictures)


def copy(chat: Chat, argument: str) -> None:
    """The last answer, or a code block of it, into the clipboard."""
    answer = _last_answer(chat)
    word, _, number = argument.partition(" ")
    if not argument:
        text, what = answer, "the answer"
    elif word == "code":
        from chatcli.terminal.markdown.dialect import code_blocks

        blocks = code_blocks(answer)
        if not blocks:
            raise UsageError("the last answer holds no code block")
        chosen = number or str(len(blocks))
        if not chosen.isdecimal() or not 1 <= int(chosen) <= len(blocks):
            raise UsageError(f"there is no code block {chosen}; the last answer has {len(blocks)}")
        text, what = blocks[int(chosen) - 1], f"code block {chosen} of {len(blocks)}"
    else:
        raise UsageError("/copy takes nothing, or code and perhaps the number of a block")
    how = copy_text(text, chat.surroundings.out, chat.surroundings.environ)
    chat.screen.note(f"({what}, {len(text)} characters, is in the clipboard, by {how})")


def _last_answer(chat: Chat) -> str:
    path = chat.session.conversation.path()
    found = next((n for n in reversed(path) if n.message.role is Role.ASSISTANT), None)
    if found is None:
        raise UsageError("there is no answer yet")
    return found.message.content


def _rendered(chat: Chat, kind: str) -> Iterator[bytes]:
    """The chat in one of the formats of ``transcripts export``."""
    if kind != RAW:
        for text in render_as(chat.session.conversation, kind):
            yield text.encode("utf-8", "replace")  # a lone surrogate, in Markdown
        return
    file = chat.session.transcript
    if file is None:
        raise UsageError("this chat is not kept, so that there is no file to copy; name another format")
    yield read_bytes(file)


def _write(
    chat: Chat, name: str, content: Iterator[bytes], what: str, pictures: Iterable[Picture] = ()
) -> None:
    if not len(chat.session.conversation):
        raise UsageError("nothing has been said yet")
    try:
        path = Path(name).expanduser()
        if os.path.lexists(path):
            raise UsageError(f"{name} is there already; choose another name or remove it first")
    except (ValueError, RuntimeError) as error:  # NUL in the name; no such home
        raise UsageError(f"{name} cannot be written: {error}") from None
    if not path.parent.is_dir():
        raise UsageError(f"{name} cannot be written: there is no folder {path.parent}")
    with PictureFolder(path).holding(pictures):
        atomic_write(path, content)
    chat.screen.note(f"({what} is in {path})")
