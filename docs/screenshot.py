"""Takes the picture in the README from a real run of the program in a terminal.

Usage: python -m docs.screenshot   (writes docs/screen.svg)
"""

import io
import re
import tempfile
from pathlib import Path

from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.program import Terminal

PICTURE = Path(__file__).with_name("screen.svg")
COLUMNS, ROWS = 84, 26
QUESTIONS = ("Hello!", "What is Q-learning?", "How do I reverse a string in Python?")


def main() -> None:
    """Chat with the bundled model and draw what is on the screen."""
    with (
        tempfile.TemporaryDirectory() as home,
        Terminal(Path(home), "-t", "0", size=(COLUMNS, ROWS)) as terminal,
    ):
        terminal.wait_for("\n>")
        for number, question in enumerate(QUESTIONS, start=1):
            terminal.send(question + "\r")
            terminal.wait_for(lambda text, n=number: text.count("\n>") > n)  # type: ignore[misc]
        terminal.send("\x1bOQ")  # F2
        terminal.wait_for("good)")
        picture = _picture(terminal)
    PICTURE.write_text(picture, encoding="utf-8")


def _picture(terminal: Terminal) -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for row in range(ROWS):
        line = Text(no_wrap=True)
        cells = terminal.screen.buffer[row]
        for column in range(COLUMNS):
            cell = cells[column]
            line.append(
                cell.data, _style(cell.fg, cell.bg, bold=cell.bold, reverse=cell.reverse, dim=cell.italics)
            )
        line.rstrip()
        console.print(line)
    picture = console.export_svg(title="chatcli")
    # Rich asks a server for a font; a page that shows the picture should ask nobody.
    return re.sub(r"@font-face\s*\{.*?\}", "", picture, flags=re.DOTALL)


def _style(fg: str, bg: str, *, bold: bool, reverse: bool, dim: bool) -> Style:
    return Style(color=_colour(fg), bgcolor=_colour(bg), bold=bold, reverse=reverse, italic=dim)


def _colour(name: str) -> str | None:
    """pyte's colour names as rich knows them."""
    if name == "default":
        return None
    if len(name) == 6 and all(letter in "0123456789abcdefABCDEF" for letter in name):
        return "#" + name
    return {"brown": "yellow"}.get(name, name.replace("bright", "bright_"))


if __name__ == "__main__":
    main()
