"""The line editor of the chat, based on prompt_toolkit."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, run_in_terminal
from prompt_toolkit.completion import Completer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, is_searching, vi_mode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.formatted_text.utils import fragment_list_len
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.output import Output

from chatcli.errors import ChatcliError
from chatcli.session.past_chats import PastChats
from chatcli.storage.input_history import InputHistory
from chatcli.terminal.prompt.editor import edit
from chatcli.terminal.prompt.history import SuggestRecent, TypedHistory
from chatcli.terminal.prompt.line import in_open_block
from chatcli.terminal.prompt.picker import pick

#: The command that Ctrl-O runs on an empty line.
SHOW_REASONING = "/reasoning"

_LONGEST = 8_000  # characters of a line; prompt_toolkit lays out all of them at each key
_STEP = _LONGEST // 2
_ELIDED = ("class:auto-suggestion", "…")
#: A key and what it does.
Gesture = tuple[str, Callable[[], None]]


class Idle(Protocol):
    """A task that runs while the person does nothing, such as ``Titler``."""

    def begin(self) -> None:
        """Begin if there is something to do; returns at once."""

    def stop(self) -> None:
        """Ask the task to stop; returns at once."""

    def end(self) -> None:
        """Stop the task and wait until it has ended."""


class LineEditor:
    """Asks for the next message.

    Args:
        status: returns the text of the bottom line; called at each redraw.
        gestures: keys that act at any time, whatever has been typed: the key as in the settings (``f2``,
            ``alt-up``) and a function, whose output appears above the prompt.
        idle: runs while the line is empty and no key is pressed, or None.
        patience: seconds without a key before ``idle`` begins.
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
        """Return the next message. On an empty line, Ctrl-D raises EOFError and Ctrl-C KeyboardInterrupt."""
        if self._idle is None:
            return self._session.prompt("> ", default=default)
        try:
            return self._session.prompt("> ", default=default, pre_run=self._key_pressed)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._idle.end()

    def choose(self, chats: PastChats, text: str = "") -> str | None:
        """Let the person choose a chat; see ``picker.pick``. Raises StorageError."""
        return pick(chats, text, input=self._session.input, output=self._session.output)

    def _key_pressed(self) -> None:
        """Stop the idle task, and begin it again after a while without a key."""
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
    @keys.add("escape", "enter", filter=~is_searching & ~vi_mode)  # in vi, Escape and then Enter sends
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
        event.app.exit(result=SHOW_REASONING)  # not through the buffer, which would add it to the history

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
    """Bindings that do not change the input. Alt+key arrives as Escape, key, which vi reads as two keys."""
    keys = KeyBindings()
    for key, act in gestures:
        if key == "none":
            continue
        alt = key.startswith("alt-")
        sequence = ("escape", key.removeprefix("alt-")) if alt else (key,)

        @keys.add(*sequence, filter=~is_searching & ~vi_mode if alt else ~is_searching)
        def _(event: KeyPressEvent, act: Callable[[], None] = act) -> None:
            # run_in_terminal would switch to line mode for a moment, in which Enter is Ctrl-J and Ctrl-D
            # is lost.
            renderer = event.app.renderer
            renderer.erase()
            act()
            renderer.reset()
            if not event.app.key_processor.input_queue:
                renderer.request_absolute_cursor_position()  # needed to draw the bottom line

    return keys


class ShowPartOfLongLines(Processor):
    """Shows the part of a long line around the cursor, so that the editor stays fast; the text stays whole.

    The part moves in steps, so that it rarely moves with the cursor.
    """

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """The line, or a part of it between two marks."""
        fragments = transformation_input.fragments
        length = fragment_list_len(fragments)
        if length <= _LONGEST:
            return Transformation(fragments)
        document = transformation_input.document
        here = transformation_input.lineno == document.cursor_position_row
        column = document.cursor_position_col if here else 0
        start = max(0, (column // _STEP - 1) * _STEP)
        end = min(length, start + 2 * _LONGEST)
        shown = _part(fragments, start, end)
        before = 1 if start else 0
        if start:
            shown.insert(0, _ELIDED)
        if end < length:
            shown.append(_ELIDED)
        return Transformation(
            shown,
            source_to_display=lambda at: min(max(at - start, 0), end - start) + before,
            display_to_source=lambda at: min(max(at - before, 0) + start, length),
        )


def _part(fragments: StyleAndTextTuples, start: int, end: int) -> StyleAndTextTuples:
    part: StyleAndTextTuples = []
    at = 0
    for style, text, *_ in fragments:
        piece = text[max(0, start - at) : max(0, end - at)]
        if piece:
            part.append((style, piece))
        at += len(text)
    return part
