"""Slash commands, each declared once: name, aliases, arguments, help, handler.

``/help``, completion and the table in the README all read ``COMMANDS``. A command is matched exactly; an
unknown one suggests the nearest and sends nothing to the model.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.terminal.chat import Chat


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """One command of the chat.

    Attributes:
        name: with its slash.
        help: one line.
        handler: called with the chat and the text after the name.
        aliases: other names, with their slashes.
        arguments: how the arguments are written, for the help; empty: it takes none.
    """

    name: str
    help: str
    handler: "Callable[[Chat, str], None]"
    aliases: tuple[str, ...] = ()
    arguments: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the aliases."""
        return (self.name, *self.aliases)


def _help(chat: "Chat", _argument: str) -> None:
    chat.screen.text(help_text())


def _clear(chat: "Chat", _argument: str) -> None:
    chat.start_over()


def _exit(chat: "Chat", _argument: str) -> None:
    chat.leave()


COMMANDS: tuple[SlashCommand, ...] = (
    SlashCommand("/help", "list the commands and keys", _help, ("/?",)),
    SlashCommand("/clear", "begin a new chat; the system prompt stays", _clear, ("/new",)),
    SlashCommand("/exit", "leave (so does Ctrl-D on an empty line)", _exit, ("/quit", "/bye")),
)

_KEYS = (
    ("Enter", "send; a pasted text is shown first and never sent by itself"),
    ("Ctrl-J, Alt-Enter", "a new line; or begin and end a block with three double quotes"),
    ("Ctrl-C", "stop the answer and keep what came; at the prompt: clear the line"),
    ("Ctrl-R", "search what you typed before"),
    ("Ctrl-D", "leave, on an empty line"),
)


def find(line: str) -> tuple[SlashCommand, str]:
    """The command of a line that begins with a slash, and its argument.

    Raises:
        UsageError: there is no such command; names the nearest.
    """
    name, _, argument = line.strip().partition(" ")
    by_name = {n: command for command in COMMANDS for n in command.names}
    if name in by_name:
        return by_name[name], argument.strip()
    near = difflib.get_close_matches(name, by_name, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(f"there is no command {name}{hint} (/help lists them; nothing was sent)")


def help_text() -> str:
    """The table that ``/help`` prints."""
    rows = [(" ".join((*c.names, c.arguments)).rstrip(), c.help) for c in COMMANDS]
    width = max(len(left) for left, _ in (*rows, *_KEYS))
    return "\n".join(f"{left:<{width}}  {right}" for left, right in (*rows, *_KEYS))
