"""What the commands of ``chatcli transcripts`` share."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from chatcli.cli import completion as completing
from chatcli.cli.invocation import Invocation
from chatcli.cli.options import invoked
from chatcli.errors import DataError, TranscriptError
from chatcli.settings import Settings
from chatcli.words import counted

if TYPE_CHECKING:
    from chatcli.chat.transcript.reader import ReadTranscript
    from chatcli.cli.transcripts.page import Page
    from chatcli.storage.index.index import TranscriptIndex
    from chatcli.storage.transcripts.store import TranscriptStore

Ref = Annotated[
    str,
    typer.Argument(
        metavar="REF",
        help="A conversation: its id, the beginning or the end of its id, its title, or last.",
        autocompletion=completing.transcripts,
    ),
]
Repair = Annotated[bool, typer.Option("--repair", help="Read the undamaged parts of a damaged file.")]
_LONG_WORK = 5000  # transcripts


def local_time(moment: datetime) -> str:
    """Return a time in the time zone of this machine: ``2026-11-30 18:05``."""
    with suppress(ValueError, OverflowError, OSError):  # the first or the last year that datetime knows
        moment = moment.astimezone()
    return f"{moment:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class TranscriptsContext:
    """The streams, the settings, the transcripts folder and its index of one command."""

    invocation: Invocation
    settings: Settings
    store: "TranscriptStore"
    index: "TranscriptIndex"

    @classmethod
    def of(cls, context: typer.Context) -> "TranscriptsContext":
        """Build it from the CLI context, and recover answers of processes that died.

        Raises:
            ChatcliError: a setting is invalid.
        """
        from chatcli.storage.index.index import TranscriptIndex
        from chatcli.storage.transcripts.store import TranscriptStore

        invocation, settings = invoked(context)
        paths = invocation.paths
        told: list[int] = []

        def tell(_done: int, total: int) -> None:
            if total >= _LONG_WORK and not told:
                told.append(total)
                invocation.say(f"reading {counted(total, 'transcript')} into the search index")

        index = TranscriptIndex(paths.transcripts, paths.index, feedback=paths.feedback_log, on_progress=tell)
        store = TranscriptStore(paths.transcripts, index.titled)
        if settings.log:
            store.recover()
        return cls(invocation, settings, store, index)

    def page(self) -> "Page":
        """Return an empty page of output."""
        from chatcli.cli.transcripts.page import Page

        return Page(self.invocation, self.settings)

    def read(self, name: str, *, repair: bool) -> "ReadTranscript":
        """Return a conversation; skipped parts are reported on stderr.

        Args:
            name: as ``TranscriptStore.resolve`` returns it.
            repair: whether to read a damaged file.

        Raises:
            DataError: the file is damaged and ``repair`` is False.
            ChatcliError: see ``TranscriptStore.read``.
        """
        try:
            loaded = self.store.read(name, repair=repair)
        except TranscriptError as error:
            raise DataError(f"{error}; --repair reads the undamaged parts") from None
        for problem in (*loaded.torn, *loaded.problems):
            self.invocation.say(f"{name}:{problem.line}: {problem.problem}; skipped")
        return loaded

    def names(self, refs: list[str]) -> list[str]:
        """Return the conversations that some references mean, each once."""
        return list(dict.fromkeys(map(self.store.resolve, refs)))
