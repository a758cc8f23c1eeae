"""What the commands of ``chatcli models`` share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.cli import completion as completing
from chatcli.cli.invocation import Invocation
from chatcli.cli.options import invoked
from chatcli.errors import ChatcliError
from chatcli.settings import Settings

if TYPE_CHECKING:
    from chatcli.cli.transcripts.page import Page
    from chatcli.library.names.aliases import Registry
    from chatcli.library.names.finding import Located
    from chatcli.library.stores import Places
    from chatcli.terminal.bars import ProgressView

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A model: a file, a name of `models list`, user/repo:QUANT, an alias or a catalogue name.",
        autocompletion=completing.models,
    ),
]


@dataclass(frozen=True, slots=True)
class ModelsContext:
    """The streams, the settings and the model folders of one command."""

    invocation: Invocation
    settings: Settings
    places: "Places"

    @classmethod
    def of(cls, context: typer.Context) -> "ModelsContext":
        """Build it from the CLI context."""
        from chatcli.library.stores import Places

        invocation, settings = invoked(context)
        return cls(invocation, settings, Places.of(invocation.environ, invocation.paths))

    def find(self, name: str) -> "Located":
        """Return the model with a name.

        Raises:
            ModelNotFound: no model has it.
        """
        from chatcli.library.names.finding import find_model

        return find_model(name, self.places)

    def default_path(self) -> Path | None:
        """Return the file of the default model, or None if it is not on this machine."""
        try:
            return self.find(self.settings.model).path
        except ChatcliError:
            return None

    def change_registry(self, change: "Callable[[Registry], Registry]") -> None:
        """Change the names that the user gave to models.

        Raises:
            StorageError: the file cannot be written.
        """
        from chatcli.files.replace import update
        from chatcli.library.names.aliases import decode_registry

        file = self.places.registry
        update(file, lambda data: change(decode_registry(data, str(file))).encode())

    def try_model(self, found: "Located", settings: Settings, *, quiet: bool = False) -> list[str]:
        """Try a model in a child process, as its first chat would, unless it is known.

        Returns:
            Why it cannot see pictures with its projector; empty if it can, or has none.

        Raises:
            ModelError: it cannot be used, or not with the projector of the settings.
        """
        from chatcli.library.opening import try_files
        from chatcli.library.projector_choice import NO_PICTURES

        def show() -> None:
            if self.invocation.stderr.isatty() and not quiet:
                self.invocation.say(f"trying {found.path.name} in a child process")

        reasons: list[str] = []
        try_files(found, settings, self.invocation.paths, reasons.append, show)
        return [reason.removeprefix(NO_PICTURES) for reason in reasons]

    def page(self) -> "Page":
        """Return an empty page of output."""
        from chatcli.cli.transcripts.page import Page

        return Page(self.invocation, self.settings)

    def progress(self, *, quiet: bool = False) -> "ProgressView":
        """Return progress bars on stderr, which disappear at the end."""
        from chatcli.terminal.progress import progress_view

        out, environ, keys = self.invocation.stderr, self.invocation.environ, self.invocation.stdin
        return progress_view(out, environ, keys, color=self.settings.color, quiet=quiet)


def tokens(count: int) -> str:
    """A context size for people: ``512``, ``8k``, ``128k``."""
    return f"{count // 1024}k" if count >= 1024 else str(count)
