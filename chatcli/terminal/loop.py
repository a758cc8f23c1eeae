"""The loop of the interactive chat: read a line and do what it says."""

from contextlib import nullcontext
from typing import TYPE_CHECKING

from chatcli.errors import ChatcliError, UsageError
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.attaching import attach_pictures
from chatcli.terminal.commands.table import NAMES, find
from chatcli.terminal.prompt.line import Say, dropped_pictures, parse

if TYPE_CHECKING:
    from chatcli.terminal.prompt.line_editor import LineEditor
    from chatcli.terminal.prompt.plain import PlainPrompt


def run(chat: Chat, prompt: "LineEditor | PlainPrompt") -> None:
    """Chat until the person leaves. Each failure is shown as one line, and the chat goes on."""
    keyboard = chat.screen.keyboard
    chat.choose = prompt.choose
    with keyboard.held(signals=False) if prompt.reads_keys else nullcontext():
        _run(chat, prompt)


def _run(chat: Chat, prompt: "LineEditor | PlainPrompt") -> None:
    keyboard = chat.screen.keyboard
    warned = False
    while not chat.leaving:
        draft, chat.draft = chat.draft, ""
        try:
            typed = prompt.read(draft)
        except EOFError:
            return
        except KeyboardInterrupt:
            if warned:
                return
            warned = True
            chat.screen.note("(Ctrl-D, /exit or another Ctrl-C leaves)")
            continue
        warned = False
        try:
            with keyboard.held() if prompt.reads_keys else nullcontext():
                obey(chat, typed)
        except ChatcliError as error:
            chat.screen.error(str(error))
        except KeyboardInterrupt:
            chat.screen.note("(stopped)")


def obey(chat: Chat, typed: str) -> None:
    """Do what a typed text says; raises ChatcliError."""
    if paths := dropped_pictures(typed):
        attach_pictures(chat, paths)
        return
    meant = parse(typed, NAMES)
    if meant is None:
        if chat.pictures:  # they can be sent without words
            chat.say("")
        return
    if isinstance(meant, Say):
        chat.say(meant.text)
        return
    command = find(meant.name)
    if meant.argument and not command.arguments:
        raise UsageError(f"{command.name} takes no argument")
    command.handler(chat, meant.argument)
