"""The line editor of the chat, on prompt_toolkit."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, run_in_terminal
from prompt_toolkit.completion import Completer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, is_searching, vi_mode
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.output import Output

from chatcli.errors import ChatcliError
from chatcli.session.past_chats import PastChats
from chatcli.storage.input_history import InputHistory
from chatcli.terminal.prompt.editor import edit
from chatcli.terminal.prompt.history import SuggestRecent, TypedHistory
from chatcli.terminal.prompt.line import in_open_block
from chatcli.terminal.prompt.long_lines import ShowPartOfLongLines
from chatcli.terminal.prompt.picker import pick

#: What Ctrl-O on an empty line stands for.
SHOW_REASONING = "/reasoning"

#: A key and what it does.
Gesture = tuple[str, Callable[[], None]]


class Idle(Protocol):
    """Something that is done while nobody types, such as ``Titler``."""

    def begin(self) -> None:
        """Begin, if there is something to do; returns at once."""

    def stop(self) -> None:
        """Ask it to stop; returns at once."""

    def end(self) -> None:
        """Stop it, and wait until it has."""


class Prompt:
    """Asks for the next message.

    Args:
        history_file: where typed lines are kept; None keeps them in memory only.
        status: text of the bottom line, asked for at each redraw.
        completer: what Tab offers.
        complain: shows one line when something of the editor fails.
        environ: environment variables; they name the editor.
        vi: the keys of vi instead of those of emacs.
        gestures: what some keys do at any time, whatever has been typed: a key as the settings name it
            (``f2``, ``alt-up``), and what is called; what that prints appears above the prompt.
        idle: what is done while the line is empty and no key is pressed; None: nothing.
        patience: seconds without a key until it begins.
        input: where keys come from; None is the terminal.
        output: where the line is drawn; None is the terminal.
    """

    reads_keys = True

    def __init__(
        self,
        history_file: Path | None,
        status: Callable[[], str],
        *,
        completer: Completer | None = None,
        complain: Callable[[str], None] = print,
        environ: Mapping[str, str],
        vi: bool = False,
        gestures: Sequence[Gesture] = (),
        idle: Idle | None = None,
        patience: float = 3.0,
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        file = InputHistory(history_file) if history_file is not None else None
        self._session: PromptSession[str] = PromptSession(
            history=TypedHistory(file, complain),
            auto_suggest=SuggestRecent(),
            completer=completer,
            complete_while_typing=False,
            bottom_toolbar=status,
            key_bindings=merge_key_bindings([_keys(environ, complain), _gestures(gestures)]),
            multiline=True,  # Enter is bound to send below; this makes a pasted newline a newline
            prompt_continuation="  ",
            input_processors=[ShowPartOfLongLines()],
            refresh_interval=0.5,  # the status changes while the model loads
            vi_mode=vi,
            enable_suspend=True,
            input=input,
            output=output,
        )
        self._idle = idle
        self._patience = patience
        self._timer: asyncio.TimerHandle | None = None
        if idle is not None:
            self._session.app.key_processor.before_key_press += lambda _: self._key_pressed()

    def read(self, default: str = "") -> str:
        """Wait for the next message, as it was typed.

        Args:
            default: text that stands there already and can be edited.

        Raises:
            EOFError: Ctrl-D on an empty line.
            KeyboardInterrupt: Ctrl-C on an empty line.
        """
        if self._idle is None:
            return self._session.prompt("> ", default=default)
        try:
            return self._session.prompt("> ", default=default, pre_run=self._key_pressed)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._idle.end()

    def choose(self, chats: PastChats, text: str = "") -> str | None:
        """Let the person choose a chat; see ``picker.pick``.

        Raises:
            StorageError: the chats cannot be listed.
        """
        return pick(chats, text, input=self._session.input, output=self._session.output)

    def _key_pressed(self) -> None:
        """The person is there: what was begun stops, and begins again after a while without a key."""
        assert self._idle is not None
        self._idle.stop()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._patience, self._begin_idle)

    def _begin_idle(self) -> None:
        if self._idle is not None and not self._session.default_buffer.text:
            self._idle.begin()


def _keys(environ: Mapping[str, str], complain: Callable[[str], None]) -> KeyBindings:
    keys = KeyBindings()
    block_is_open = Condition(lambda: in_open_block(get_app().current_buffer.text))

    @keys.add("enter", filter=~is_searching & ~block_is_open)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("c-j", filter=~is_searching)
    @keys.add("escape", "enter", filter=~is_searching & ~vi_mode)  # in vi, Escape then Enter sends
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt, style="class:aborting")

    @keys.add("c-o", filter=~is_searching & Condition(lambda: not get_app().current_buffer.text))
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.text = SHOW_REASONING
        event.app.exit(result=SHOW_REASONING)  # not through the buffer, whose history it is not for

    @keys.add("c-x", "c-e", filter=~is_searching)
    @keys.add("c-g", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer

        def open_editor() -> None:
            try:
                text = edit(buffer.text, environ)
            except ChatcliError as error:
                complain(str(error))
            else:
                buffer.document = Document(text, len(text))

        run_in_terminal(open_editor)

    return keys


def _gestures(gestures: Sequence[Gesture]) -> KeyBindings:
    """Keys that leave the line as it is. One with Alt comes as Escape and the key, which vi reads as two."""
    keys = KeyBindings()
    for key, act in gestures:
        if key == "none":
            continue
        alt = key.startswith("alt-")
        sequence = ("escape", key.removeprefix("alt-")) if alt else (key,)

        @keys.add(*sequence, filter=~is_searching & ~vi_mode if alt else ~is_searching)
        def _(event: KeyPressEvent, act: Callable[[], None] = act) -> None:
            # Not run_in_terminal: it gives the terminal lines for a moment, in which Enter is Ctrl-J and
            # Ctrl-D is lost.
            renderer = event.app.renderer
            renderer.erase()
            act()
            renderer.reset()
            if not event.app.key_processor.input_queue:
                renderer.request_absolute_cursor_position()  # the bottom line is drawn when it is known

    return keys
