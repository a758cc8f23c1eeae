"""The loop of the interactive chat: read a line, do what it says."""

from contextlib import nullcontext
from typing import Protocol

from chatcli.errors import ChatcliError, UsageError
from chatcli.session.past_chats import PastChats
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.attaching import attach_pictures
from chatcli.terminal.commands.table import NAMES, find
from chatcli.terminal.prompt.dropped import dropped_pictures
from chatcli.terminal.prompt.line import Say, parse


class Lines(Protocol):
    """Where messages come from: ``Prompt``, or ``PlainPrompt``.

    Attributes:
        reads_keys: it reads key by key, so what is typed before it is shown must wait for it as keys.
    """

    reads_keys: bool

    def read(self, default: str = "") -> str:
        """Wait for the next one.

        Raises:
            EOFError: the person leaves.
            KeyboardInterrupt: Ctrl-C on an empty line.
        """
        ...

    def choose(self, chats: PastChats, text: str = "") -> str | None:
        """Let the person choose one of the chats that are kept; None: none was chosen.

        Raises:
            StorageError: they cannot be listed.
        """
        ...


def run(chat: Chat, prompt: Lines) -> None:
    """Chat until the person leaves. Whatever fails is one line, and the chat goes on."""
    keyboard = chat.screen.keyboard
    chat.choose = prompt.choose
    with keyboard.held(signals=False) if prompt.reads_keys else nullcontext():
        _run(chat, prompt)


def _run(chat: Chat, prompt: Lines) -> None:
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
            chat.screen.note("(Ctrl-D or /exit leaves; so does Ctrl-C again)")
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
    """Do what a typed text says.

    Raises:
        ChatcliError: it cannot be done.
    """
    if paths := dropped_pictures(typed):
        attach_pictures(chat, paths)
        return
    meant = parse(typed, NAMES)
    if meant is None:
        if chat.pictures:  # they need no words
            chat.say("")
        return
    if isinstance(meant, Say):
        chat.say(meant.text)
        return
    command = find(meant.name)
    if meant.argument and not command.arguments:
        raise UsageError(f"{command.name} takes no argument")
    command.handler(chat, meant.argument)
