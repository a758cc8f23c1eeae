"""The output of commands for people: styled on a terminal, plain in a pipe, long output in a pager."""

import os
import shlex
import subprocess
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress

from chatcli.cli.invocation import Invocation, signals_handled
from chatcli.settings import Settings
from chatcli.terminal.live import Abilities, clipped, size_of
from chatcli.terminal.rows import Piece, Row, ansi, cells
from chatcli.terminal.sanitize import sanitize, sanitize_line
from chatcli.terminal.tables import table
from chatcli.terminal.theme import BOLD, PLAIN, Style

# As git does: exit if the text fits the screen, show styles, leave the text on the screen.
_LESS = "FRX"
_NO_LIMIT = 10_000  # cells of a line in a pipe


class Page:
    """Lines that are shown together. Text is made harmless for a terminal here.

    Args:
        invocation: the streams of this run.
        settings: say whether to use styles and colours, and to format Markdown.
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
        """Whether the terminal shows characters beyond ASCII."""
        return self._abilities.unicode

    def line(self, *pieces: Piece, clip: bool = False) -> None:
        """Add a line of styled pieces; ``clip`` cuts it at the width of a terminal."""
        shown = [(sanitize_line(text), style) for text, style in pieces]
        if clip and self._invocation.stdout.isatty():
            shown = list(_clip(shown, size_of(self._invocation.stdout)[0]))
        self._lines.append(self._drawn(shown) + "\n")

    def table(self, rows: Iterable[Sequence[str]], *, numbers: Collection[int] = ()) -> None:
        """Add rows of columns, the first one bold; the columns in ``numbers`` are aligned to the right."""
        clean = [
            [[(sanitize_line(text), PLAIN if i else BOLD)] for i, text in enumerate(row)] for row in rows
        ]
        out = self._invocation.stdout
        width = size_of(out)[0] if out.isatty() else _NO_LIMIT
        sides = "".join("<>"[i in numbers] for i in range(len(clean[0]) if clean else 0))
        self._rows(table(clean, (), width, alignments=sides, unicode=self.unicode, ruled=False))

    def text(self, text: str, style: Style = PLAIN) -> None:
        """Add text, unformatted."""
        self._lines += [self._drawn([(line, style)]) + "\n" for line in sanitize(text).split("\n")]

    def answer(self, text: str) -> None:
        """Add an answer, its Markdown formatted if stdout is a terminal."""
        if not self._markdown:
            self.text(text)
            return
        from chatcli.terminal.markdown.stream import MarkdownStream

        stream = MarkdownStream(unicode=self.unicode)
        stream.feed(sanitize(text))
        self._rows(stream.finish(size_of(self._invocation.stdout)[0]))

    def show(self, *, pager: bool = False) -> None:
        """Print all lines; with ``pager``, text longer than the screen goes through ``$PAGER`` or less."""
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
        part = clipped(text[:width], width)  # only combining characters are narrower than a cell
        width -= cells(part)
        yield part, style


def _page(text: str, invocation: Invocation) -> bool:
    """Show text in a pager; return False if none works."""
    environ = invocation.environ
    try:
        command = shlex.split(environ.get("PAGER", "less"), posix=os.name != "nt")
        if not command or command == ["cat"]:
            return False
        variables = {"LESS": _LESS, **environ}
        with (
            # Ctrl-C belongs to the pager. A handler, because the pager would inherit SIG_IGN.
            signals_handled(lambda _number, _frame: None, "SIGINT"),
            subprocess.Popen(command, stdin=subprocess.PIPE, env=variables) as pager,
            suppress(BrokenPipeError),  # the user left the pager
        ):
            pager.communicate(text.encode())
    except (OSError, ValueError):  # no such program, or an unclosed quotation mark
        return False
    return True
