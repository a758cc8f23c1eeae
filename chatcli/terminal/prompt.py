"""The line editor of the chat, on prompt_toolkit."""

import os
from collections.abc import Callable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output

from chatcli.terminal.commands import COMMANDS

_BLOCK = '"""'


class Prompt:
    """Asks for the next message.

    Args:
        history_file: where typed lines are kept; None keeps them in memory only.
        status: text of the bottom line, asked for at each redraw.
        input: where keys come from; None is the terminal.
        output: where the line is drawn; None is the terminal.
    """

    def __init__(
        self,
        history_file: Path | None,
        status: Callable[[], str],
        *,
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        names = [name for command in COMMANDS for name in command.names]
        self._session: PromptSession[str] = PromptSession(
            history=_history(history_file),
            auto_suggest=AutoSuggestFromHistory(),
            completer=WordCompleter(names, sentence=True),
            complete_while_typing=False,
            bottom_toolbar=status,
            key_bindings=_keys(),
            multiline=True,  # Enter is bound to send below; this makes a pasted newline a newline
            prompt_continuation="  ",
            refresh_interval=0.5,  # the status changes while the model loads
            enable_open_in_editor=True,
            input=input,
            output=output,
        )

    def read(self, default: str = "") -> str:
        """Wait for the next message.

        Args:
            default: text that stands there already and can be edited.

        Raises:
            EOFError: Ctrl-D on an empty line.
            KeyboardInterrupt: Ctrl-C on an empty line.
        """
        text = self._session.prompt("> ", default=default)
        stripped = text.strip()
        if stripped.startswith(_BLOCK):
            return stripped.removeprefix(_BLOCK).removesuffix(_BLOCK).strip("\n")
        return text


def _history(path: Path | None) -> History:
    if path is None:
        return InMemoryHistory()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # FileHistory would create it with the umask's mode
    os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    return FileHistory(str(path))


def _keys() -> KeyBindings:
    keys = KeyBindings()

    def in_open_block() -> bool:
        from prompt_toolkit.application import get_app

        text = get_app().current_buffer.text.lstrip()
        return text.startswith(_BLOCK) and not (len(text) >= 6 and text.rstrip().endswith(_BLOCK))

    @keys.add("enter", filter=~Condition(in_open_block))
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("c-j")
    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt, style="class:aborting")

    return keys
