"""The prompt where nothing may move: dumb terminals, screen readers. The terminal itself edits the line."""

from typing import IO, TextIO

from chatcli.terminal.line import in_open_block
from chatcli.terminal.sanitize import sanitize_line


class PlainPrompt:
    """Asks for the next message with a plain line of input.

    Args:
        keys: standard input.
        out: the terminal.
    """

    reads_keys = False

    def __init__(self, keys: IO[bytes], out: TextIO) -> None:
        self._keys = keys
        self._out = out

    def read(self, default: str = "") -> str:
        """Wait for the next message; a block in triple quotes goes on until it is closed.

        Args:
            default: text that an empty line stands for.

        Raises:
            EOFError: Ctrl-D on an empty line.
            KeyboardInterrupt: Ctrl-C.
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

    def _line(self, mark: str) -> str:
        self._out.write(mark)
        self._out.flush()
        line = self._keys.readline()
        if not line:
            self._out.write("\n")
            raise EOFError
        return line.decode("utf-8", "replace").rstrip("\r\n")
