"""How a slash command is declared, and the text of ``/help``."""

import inspect
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from chatcli.terminal.chat import Chat

#: What Tab may offer: a word and a remark about it.
Offer = tuple[str, str]


Handler = Callable[[Chat, str], None]
#: The commands by name.
DECLARED: dict[str, "SlashCommand"] = {}


@dataclass(slots=True)
class SlashCommand:
    """A command of the chat; it decorates its handler.

    Attributes:
        arguments: the arguments as the help shows them; empty if it takes none.
        offers: what Tab offers for the last word, or None.
        files: which file names Tab offers for the last word, or None.
        words: what Tab offers for the first word.
        help: the first line of the handler's docstring.
        details: the rest of it, for ``/help COMMAND``.
    """

    name: str
    aliases: tuple[str, ...] = ()
    arguments: str = ""
    offers: Callable[[Chat], Iterable[Offer]] | None = None
    files: Callable[[str], bool] | None = None
    words: tuple[str, ...] = ()
    handler: Handler = field(init=False)
    help: str = field(init=False)
    details: str = field(init=False)

    def __call__(self, handler: Handler) -> Handler:
        """Declare the command."""
        first, _, rest = (inspect.getdoc(handler) or "").partition("\n\n")
        self.handler = handler
        self.help = first[:1].lower() + first[1:].removesuffix(".")
        self.details = textwrap.indent(rest, "  ")
        DECLARED[self.name] = self
        return handler

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the aliases."""
        return (self.name, *self.aliases)

    @property
    def usage(self) -> str:
        """All names and the arguments, on one line."""
        return " ".join((*self.names, self.arguments)).rstrip()


_KEYS = (
    ("Enter", "send; pasted text is shown first and never sent by itself"),
    ("Ctrl-J, Alt-Enter", "new line; or begin and end a block with three double quotes"),
    ("Ctrl-X Ctrl-E, Ctrl-G", "write the message in $VISUAL or $EDITOR"),
    ("Tab", "complete commands, parameters, models, files, chats, personas"),
    ("F2, F3", "rate the last answer good, bad (settings: key_good, key_bad)"),
    ("Ctrl-R", "search what you typed before; Right accepts the grey suggestion"),
    ("Ctrl-O", "fold and unfold arriving reasoning; at the prompt: show the last"),
    ("Ctrl-C", "stop the answer and keep what came; at the prompt: clear the line"),
    ("Ctrl-D", "leave, on an empty line"),
)

_RULE = (
    "A line that begins with / is a command. Begin a message with // to send a slash.\n"
    "A path such as /etc/hosts and a text of several lines are always messages."
)


def help_text(commands: Sequence[SlashCommand]) -> str:
    """The output of ``/help``."""
    width = max(len(left) for left, _ in _KEYS)

    def line(left: str, right: str) -> str:
        return f"{left}\n    {right}" if len(left) > width else f"{left:<{width}}  {right}"

    lines = [line(command.usage, command.help) for command in commands]
    return "\n".join((*lines, "", *(line(*key) for key in _KEYS), "", _RULE))
