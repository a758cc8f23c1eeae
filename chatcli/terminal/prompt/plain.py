"""The prompt for dumb terminals and screen readers, where nothing may move. The terminal edits the line."""

from typing import IO, TextIO

from chatcli.session.past_chats import PastChats
from chatcli.terminal.figures import chat_line
from chatcli.terminal.prompt.line import in_open_block
from chatcli.terminal.sanitize import sanitize_line

_MOST_CHATS = 9


class PlainPrompt:
    """Asks for the next message with a plain line of input."""

    reads_keys = False

    def __init__(self, keys: IO[bytes], out: TextIO) -> None:
        self._keys = keys
        self._out = out

    def read(self, default: str = "") -> str:
        """Wait for the next message; a block in triple quotes goes on until it is closed.

        Args:
            default: the message that an empty line sends.
        """
        if default.strip():
            self._out.write(f"(an empty line sends: {sanitize_line(default)})\n")
        text = self._line("> ")
        while in_open_block(text):
            try:
                text += "\n" + self._line("  ")
            except EOFError:
                break
        return text if text.strip() else default

    def choose(self, chats: PastChats, text: str = "") -> str | None:
        """Let the person choose a chat by its number; other text searches. Returns its name or None."""
        while True:
            found = chats.find(text)
            for number, chat in enumerate(found[:_MOST_CHATS], start=1):
                self._out.write(f"{number} {chat_line(chat, 80)}\n")
            more = f"the newest {_MOST_CHATS} of {len(found)}; " if len(found) > _MOST_CHATS else ""
            self._out.write(f"({more if found else 'nothing found; '}a number opens a chat, ")
            self._out.write("words search, an empty line cancels)\n")
            try:
                text = self._line("? ").strip()
            except EOFError:
                return None
            if not text:
                return None
            if text.isdecimal() and 1 <= int(text) <= len(found[:_MOST_CHATS]):
                return found[int(text) - 1].summary.name

    def _line(self, mark: str) -> str:
        self._out.write(mark)
        self._out.flush()
        line = self._keys.readline()
        if not line:
            self._out.write("\n")
            raise EOFError
        return line.decode("utf-8", "replace").rstrip("\r\n")
