"""All slash commands, as ``/help``, completion and the README show them.

A command is matched exactly; an unknown one suggests the nearest, and nothing is sent to the model.
"""

import difflib
from collections.abc import Iterator

from chatcli.errors import UsageError
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands import (  # noqa: F401  (each declares its commands)
    attaching,
    comparing,
    conversation,
    files,
    insight,
    judging,
    options,
    ranking,
)
from chatcli.terminal.commands.declaration import DECLARED, Offer, SlashCommand, help_text

_ORDER = """
help clear regen undo edit continue fork siblings compare rank good bad rate unrate fix guidelines
system set show model persona reasoning think nothink read image load history search save rename
export copy context stats exit
"""


def command_offers(_chat: Chat) -> Iterator[Offer]:
    """Every name of a command, with its help."""
    return ((name, command.help) for command in COMMANDS for name in command.names)


@SlashCommand("/help", ("/?",), arguments="[COMMAND]", offers=command_offers)
def _help(chat: Chat, argument: str) -> None:
    """List the commands and keys, or explain one."""
    if not argument:
        chat.screen.text(help_text(COMMANDS))
        return
    command = find(argument if argument.startswith("/") else f"/{argument}")
    chat.screen.text("\n".join(filter(None, (command.usage, f"  {command.help}", command.details))))


@SlashCommand("/exit", ("/quit", "/bye"))
def _exit(chat: Chat, _argument: str) -> None:
    """Leave (so does Ctrl-D on an empty line)."""
    chat.leaving = True


COMMANDS: tuple[SlashCommand, ...] = tuple(DECLARED[f"/{name}"] for name in _ORDER.split())
NAMES = {name: command for command in COMMANDS for name in command.names}


def find(name: str) -> SlashCommand:
    """The command of this name, slash included; raises UsageError that suggests the nearest."""
    if name in NAMES:
        return NAMES[name]
    near = difflib.get_close_matches(name, NAMES, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"unknown command {name}; {hint}nothing was sent (/help lists commands; // sends a slash)"
    )
