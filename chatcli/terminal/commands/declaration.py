"""What a slash command is."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from chatcli.terminal.chat import Chat


class Completes(Enum):
    """What Tab offers for the arguments of a command."""

    NOTHING = "nothing"
    BAD_REASON = "bad reason"
    COMMAND = "command"
    FILE = "file"
    GOOD_REASON = "good reason"
    MODEL = "model"
    PARAMETER = "parameter"
    PERSONA = "persona"
    PICTURE = "picture"
    REASON = "reason"
    TRANSCRIPT = "transcript"


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """One command of the chat.

    Attributes:
        name: with its slash.
        help: one line.
        handler: called with the chat and the text after the name.
        aliases: other names, with their slashes.
        arguments: how the arguments are written, for the help; empty: it takes none.
        completes: what the last word of the arguments may be.
        words: what the first word of the arguments may be, if the choice is small.
        details: more lines, for ``/help COMMAND``.
    """

    name: str
    help: str
    handler: Callable[[Chat, str], None]
    aliases: tuple[str, ...] = ()
    arguments: str = ""
    completes: Completes = Completes.NOTHING
    words: tuple[str, ...] = ()
    details: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the aliases."""
        return (self.name, *self.aliases)

    @property
    def usage(self) -> str:
        """All names and the arguments, as one line."""
        return " ".join((*self.names, self.arguments)).rstrip()
