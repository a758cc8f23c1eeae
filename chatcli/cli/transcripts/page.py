"""What a command shows to people: plain in a pipe; on a terminal with styles, through the pager if long."""

import os
import shlex
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from chatcli.cli.invocation import Invocation
from chatcli.settings import Settings
from chatcli.terminal.live import Abilities, clipped, size_of
from chatcli.terminal.rows import PLAIN, Piece, Row, Style, ansi, cells
from chatcli.terminal.sanitize import sanitize, sanitize_line

#: As git does: end at once if it fits the screen, let styles through, leave the text on the screen.
_LESS = "FRX"


class Page:
    """Lines to be shown together. All text is made harmless here.

    Args:
        invocation: of this run.
        settings: whether styles and colours are wanted, and Markdown is to be laid out.
    """

    def __init__(self, invocation: Invocation, settings: Settings) -> None:
        self._invocation = invocation
        self._abilities = Abilities.of(
            invocation.stdout, invocation.environ, color=settings.color, plain=settings.plain
        )
        self._markdown = settings.markdown and self._abilities.escapes
        self._lines: list[str] = []

    @property
    def unicode(self) -> bool:
        """Whether characters beyond ASCII can be shown."""
        return self._abilities.unicode

    def line(self, *pieces: Piece, clip: bool = False) -> None:
        """One line of styled pieces; with ``clip`` it is cut where the terminal ends, if there is one."""
        shown = [(sanitize_line(text), style) for text, style in pieces]
        if clip and self._invocation.stdout.isatty():
            shown = list(_clip(shown, size_of(self._invocation.stdout)[0]))
        self._lines.append(self._drawn(shown) + "\n")

    def text(self, text: str, style: Style = PLAIN) -> None:
        """Text as it is."""
        self._lines += [self._drawn([(line, style)]) + "\n" for line in sanitize(text).split("\n")]

    def answer(self, text: str) -> None:
        """An answer: laid out on a terminal, as it is elsewhere."""
        if not self._markdown:
            self.text(text)
            return
        from chatcli.terminal.markdown.stream import MarkdownStream

        stream = MarkdownStream(unicode=self.unicode)
        stream.feed(sanitize(text))
        self._rows(stream.finish(size_of(self._invocation.stdout)[0]))

    def show(self, *, pager: bool = False) -> None:
        """Print everything; with ``pager`` through ``$PAGER``, else less, if it is more than a screenful."""
        text = "".join(self._lines)
        height = size_of(self._invocation.stdout)[1]
        long = self._abilities.escapes and text.count("\n") >= height
        if not (pager and long and _page(text, self._invocation)):
            self._invocation.write_data(text)

    def _rows(self, rows: Iterable[Row]) -> None:
        self._lines += [self._drawn(row.pieces) + ("" if row.soft else "\n") for row in rows]

    def _drawn(self, pieces: Iterable[Piece]) -> str:
        return ansi(pieces, styled=self._abilities.escapes, colored=self._abilities.colored)


def _clip(pieces: Iterable[Piece], width: int) -> Iterator[Piece]:
    for text, style in pieces:
        part = clipped(text[:width], width)  # no character is narrower than a cell, but those that combine
        width -= cells(part)
        yield part, style


def _page(text: str, invocation: Invocation) -> bool:
    """Show text in a pager; False if there is none."""
    environ = invocation.environ
    try:
        command = shlex.split(environ.get("PAGER", "less"), posix=os.name != "nt")
        if not command or command == ["cat"]:
            return False
        variables = {"LESS": _LESS, **environ}
        with (
            _ctrl_c_is_the_pagers(),
            subprocess.Popen(command, stdin=subprocess.PIPE, env=variables) as pager,
            suppress(BrokenPipeError),  # whoever reads it has enough
        ):
            pager.communicate(text.encode())
    except (OSError, ValueError):  # no such program; a quotation mark that never closes
        return False
    return True


@contextmanager
def _ctrl_c_is_the_pagers() -> Iterator[None]:
    """Ctrl-C reaches every process of the terminal. A handler, unlike SIG_IGN, is not inherited."""
    former = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
