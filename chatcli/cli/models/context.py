"""The models of this machine, as the commands of ``chatcli models`` use them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.cli import completion as completing
from chatcli.cli.invocation import Invocation
from chatcli.cli.options import ChatOptions
from chatcli.errors import ChatcliError
from chatcli.library.names.finding import Located, find_model
from chatcli.library.stores import Places
from chatcli.settings import Settings

if TYPE_CHECKING:
    from chatcli.cli.transcripts.page import Page
    from chatcli.terminal.progress import ProgressView

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A model: a path, a name of `models list`, user/repo:QUANT, an alias, a name of the catalogue.",
        autocompletion=completing.models,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class Shelf:
    """What one command works on."""

    invocation: Invocation
    settings: Settings
    places: Places

    @classmethod
    def of(cls, context: typer.Context) -> "Shelf":
        """That of this run.

        Raises:
            ChatcliError: a setting makes no sense.
        """
        invocation = Invocation.from_process()
        options = context.find_root().obj or ChatOptions()
        settings = options.settings(invocation.environ, invocation.paths)
        return cls(invocation, settings, Places.of(invocation.environ, invocation.paths))

    def find(self, name: str) -> Located:
        """The model of a name.

        Raises:
            ModelNotFound: there is none.
        """
        return find_model(name, self.places)

    def default_path(self) -> Path | None:
        """The file of the model that is used where none is named; None: it is not here."""
        try:
            return self.find(self.settings.model).path
        except ChatcliError:
            return None

    def page(self) -> "Page":
        """A page to fill and show."""
        from chatcli.cli.transcripts.page import Page

        return Page(self.invocation, self.settings)

    def progress(self, *, quiet: bool = False) -> "ProgressView":
        """Shows how files are read or written, on stderr, and leaves nothing of it."""
        from chatcli.terminal.progress import progress_view

        invocation, color = self.invocation, self.settings.color
        return progress_view(
            *(invocation.stderr, invocation.environ, invocation.stdin), color=color, quiet=quiet
        )

    def show_trial(self, file: Path) -> None:
        """Say on a terminal that a file is tried before it is used, which may take a while."""
        if self.invocation.stderr.isatty():
            self.note(f"trying {file.name} in a child process")

    def note(self, text: str) -> None:
        """Say something on stderr."""
        self.invocation.note(f"chatcli: {text}")


def table(page: "Page", rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> None:
    """Columns as wide as they must be; those of ``numbers`` are aligned to the right."""
    from chatcli.terminal.rows import BOLD, PLAIN, cells
    from chatcli.terminal.sanitize import sanitize_line

    if not rows:
        return
    rows = [[sanitize_line(text) for text in row] for row in rows]  # as they will be shown, or nothing aligns
    widths = [max(cells(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        pieces = []
        for i, text in enumerate(row):
            gap, last = " " * (widths[i] - cells(text)), i == len(row) - 1
            shown = f"{gap}{text}" if i in numbers else text if last else f"{text}{gap}"
            pieces.append((shown if last else f"{shown}  ", BOLD if i == 0 else PLAIN))
        page.line(*pieces, clip=True)


def tokens(count: int) -> str:
    """A context for people: ``512``, ``8k``, ``128k``."""
    return f"{count // 1024}k" if count >= 1024 else str(count)
