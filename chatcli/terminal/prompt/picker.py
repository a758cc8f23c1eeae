"""Choosing a stored chat on a screen of its own: search while typing, with a preview below the list."""

import asyncio

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import BufferControl, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output import Output

from chatcli.chat.message import Role
from chatcli.chat.pictures import in_words
from chatcli.errors import StorageError
from chatcli.session.past_chats import Found, PastChats
from chatcli.terminal.figures import chat_line
from chatcli.terminal.live import clipped
from chatcli.terminal.rows import wrap
from chatcli.terminal.sanitize import sanitize
from chatcli.terminal.theme import PLAIN

_PAUSE = 0.1  # seconds without a key before searching; a search of 100,000 chats takes as long
_ESCAPE = 0.1  # seconds after which Escape alone is a key, not the beginning of another one
_MOST_WORDS = 2000  # characters of a message in the preview
_MOST_MESSAGES = 8


def pick(
    chats: PastChats, text: str = "", *, input: Input | None = None, output: Output | None = None
) -> str | None:
    """Let the person choose a chat; the scrollback stays as it is."""
    return _Picker(chats, text, input, output).app.run()


class _Picker:
    """The screen of the picker."""

    def __init__(self, chats: PastChats, text: str, input: Input | None, output: Output | None) -> None:
        self.found: list[Found] = chats.find(text)
        self.at = 0
        self._top = 0  # index of the first visible line of the list
        self._chats = chats
        self._pending: asyncio.TimerHandle | None = None
        self._previews: dict[str, list[tuple[str, str]]] = {}
        self._buffer = Buffer(
            document=Document(text), multiline=False, on_text_changed=lambda _: self._look_soon()
        )
        self.app: Application[str | None] = Application(
            layout=self._layout(), key_bindings=self._keys(), full_screen=True, input=input, output=output
        )
        self.app.ttimeoutlen = _ESCAPE

    def _look_soon(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
        self._pending = asyncio.get_running_loop().call_later(_PAUSE, self._look)

    def _look(self) -> None:
        """Search for what is typed."""
        if self._pending is not None:
            self._pending.cancel()
        self._pending = None
        try:
            self.found, self.at, self._top = self._chats.find(self._buffer.text), 0, 0
        except StorageError as error:
            self.app.exit(exception=error)
        self.app.invalidate()

    def _layout(self) -> Layout:
        search = Window(BufferControl(self._buffer, input_processors=[BeforeInput("Which chat? ")]), height=1)
        shown = Window(FormattedTextControl(self._list), height=self._list_height)
        rule = Window(height=1, char="─", style="class:rule")
        below = Window(FormattedTextControl(self._preview))
        keys = Window(FormattedTextControl(self._help), height=1, style="class:bottom-toolbar")
        return Layout(HSplit([search, shown, rule, below, keys]), focused_element=search)

    def _size(self) -> tuple[int, int]:
        size = self.app.output.get_size()
        return size.columns, size.rows

    def _list_height(self) -> int:
        return max(2, (self._size()[1] - 3) // 2)

    def _list(self) -> StyleAndTextTuples:
        width, height = self._size()[0], self._list_height()
        self._top = max(min(self._top, self.at), self.at - height + 1)
        if not self.found:
            return [("class:rule", "nothing found")]
        lines: StyleAndTextTuples = []
        for index, found in enumerate(self.found[self._top : self._top + height], start=self._top):
            marked = index == self.at
            line = clipped(f"{'>' if marked else ' '} {chat_line(found, width)}", width - 1)
            lines.append(("reverse" if marked else "", line + "\n"))
        return lines

    def _preview(self) -> StyleAndTextTuples:
        """The last messages of the marked chat, as many rows as fit."""
        width, height = self._size()
        if not self.found:
            return []
        room = max(1, height - 3 - self._list_height())
        summary = self.found[self.at].summary
        rows = [
            (style, row.text)
            for style, text in self._words_of(summary.name)
            for row in wrap([(text, PLAIN)], max(1, width - 1))
        ]
        return [(style, text + "\n") for style, text in rows[-room:]]

    def _words_of(self, name: str) -> list[tuple[str, str]]:
        if name not in self._previews:
            nodes = self._chats.last_words(name, _MOST_MESSAGES)
            self._previews[name] = [
                (
                    "bold" if node.message.role is Role.USER else "",
                    ("> " if node.message.role is Role.USER else "")
                    + sanitize(in_words(node.message)[-_MOST_WORDS:]).expandtabs().strip("\n"),
                )
                for node in nodes
            ] or [("class:rule", "(no preview: too long, or not readable)")]
        return self._previews[name]

    def _help(self) -> str:
        wide = f" Enter opens · Esc cancels · Up, Down: {self.at + 1} of {len(self.found)}"
        forms = [wide, " Enter opens, Esc cancels", " Enter, Esc"] if self.found else [" Esc cancels"]
        return next((form for form in forms if len(form) < self._size()[0]), forms[-1])

    def _move(self, by: int) -> None:
        if self._pending is not None:
            self._look()
        self.at = max(0, min(len(self.found) - 1, self.at + by))

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        steps = {
            "up": lambda: -1,
            "c-p": lambda: -1,
            "down": lambda: 1,
            "c-n": lambda: 1,
            "pageup": lambda: -self._list_height(),
            "pagedown": self._list_height,
        }
        for key, step in steps.items():
            keys.add(key)(lambda _event, step=step: self._move(step()))

        @keys.add("enter")
        def _(event: KeyPressEvent) -> None:
            if self._pending is not None:
                self._look()
            if self.found:
                event.app.exit(result=self.found[self.at].summary.name)

        @keys.add("escape", eager=True)
        @keys.add("c-c")
        @keys.add("c-d")
        @keys.add("c-g")
        def _(event: KeyPressEvent) -> None:
            event.app.exit(result=None)

        return keys
