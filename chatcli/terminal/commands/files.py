"""Commands that take files in and put answers out."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from chatcli.chat.formats.exporting import KINDS, RAW, kind_of, render_as
from chatcli.chat.message import Message, Role
from chatcli.errors import UsageError
from chatcli.session.attachments import enclose, read_files
from chatcli.storage.durable import atomic_write
from chatcli.storage.transcript_log import read_bytes
from chatcli.terminal.chat import Chat
from chatcli.terminal.clipboard import copy_text
from chatcli.terminal.code_blocks import code_blocks

_CHARACTERS_PER_TOKEN = 4  # of English; said to be an estimate


def read(chat: Chat, argument: str) -> None:
    """Puts files into the next message."""
    if argument == "--drop":
        chat.attachments.clear()
        chat.screen.note("(no files in the next message)")
        return
    if argument:
        taken = {a.name: a for a in [*chat.attachments, *read_files(_words(argument))]}
        tokens = _count(chat, enclose(list(taken.values())))
        chat.attachments[:] = taken.values()
    elif not chat.attachments:
        raise UsageError("/read takes files, folders or patterns; they go into your next message")
    else:
        tokens = _count(chat, enclose(chat.attachments))
    names = ", ".join(a.name for a in chat.attachments[:5])
    more = f" and {len(chat.attachments) - 5} more" if len(chat.attachments) > 5 else ""
    chat.screen.note(f"(in your next message: {names}{more}: {tokens}; /read --drop takes them out)")


def save(chat: Chat, argument: str) -> None:
    """Writes the last answer, or the chat, to a file that does not exist yet."""
    words = _words(argument)
    whole = "--all" in words
    names = [word for word in words if word != "--all"]
    if len(names) != 1:
        raise UsageError("/save takes one file; with --all the whole chat goes into it")
    answer = b"" if whole else (_last_answer(chat) + "\n").encode("utf-8", "replace")
    content = _rendered(chat, "bare") if whole else iter([answer])
    _write(chat, names[0], content, "the chat" if whole else "the answer")


def export(chat: Chat, argument: str) -> None:
    """Writes the chat to a file, in the format that is named, else the one of its suffix."""
    words = _words(argument)
    if not 1 <= len(words) <= 2:
        raise UsageError(f"/export takes a file, and perhaps a format: {', '.join(KINDS)}")
    _write(chat, words[0], _rendered(chat, kind_of(*words)), "the chat")


def copy(chat: Chat, argument: str) -> None:
    """The last answer, or a code block of it, into the clipboard."""
    answer = _last_answer(chat)
    word, _, number = argument.partition(" ")
    if not argument:
        text, what = answer, "the answer"
    elif word == "code":
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


def _words(argument: str) -> list[str]:
    try:
        return shlex.split(argument)
    except ValueError as error:
        raise UsageError(
            f"{argument}: {error}; put a name with a quote in it into the other quotes"
        ) from None


def _count(chat: Chat, text: str) -> str:
    """How many tokens a text is; asked of the model if it is there, estimated while it loads.

    Raises:
        ContextOverflow: it does not fit.
    """
    if chat.session.engine.engine is None:
        return f"about {len(text) // _CHARACTERS_PER_TOKEN} tokens"
    prompt = chat.session.preview(text)
    before = chat.session.prompt_of([Message(Role.USER, ".")])
    alone = chat.session.prompt_of([Message(Role.USER, text)])
    count = f"{len(alone.tokens) - len(before.tokens) + 1} tokens"
    size = chat.session.engine().context_size
    left_out = f", {len(prompt.left_out)} oldest messages leave the context" if prompt.left_out else ""
    return f"{count} of {size}{left_out}"


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


def _write(chat: Chat, name: str, content: Iterator[bytes], what: str) -> None:
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
    atomic_write(path, content)
    chat.screen.note(f"({what} is in {path})")
