"""The transcripts folder and its index, as the commands of ``chatcli transcripts`` use them."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from chatcli.cli.invocation import Invocation
from chatcli.cli.options import ChatOptions
from chatcli.errors import DataError, TranscriptError
from chatcli.settings import Settings
from chatcli.words import counted

if TYPE_CHECKING:
    from chatcli.chat.transcript.reader import Loaded
    from chatcli.storage.index.index import TranscriptIndex
    from chatcli.storage.transcripts.store import TranscriptStore

_LONG_WORK = 5000  # transcripts


def local_time(moment: datetime) -> str:
    """A time as people here write it."""
    with suppress(ValueError, OverflowError, OSError):  # of the first or the last year there is
        moment = moment.astimezone()
    return f"{moment:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class Archive:
    """What one command works on."""

    invocation: Invocation
    settings: Settings
    store: "TranscriptStore"
    index: "TranscriptIndex"

    @classmethod
    def of(cls, context: typer.Context) -> "Archive":
        """That of this run, with what is left of answers whose processes died.

        Raises:
            ChatcliError: a setting makes no sense.
        """
        from chatcli.storage.index.index import TranscriptIndex
        from chatcli.storage.transcripts.store import TranscriptStore

        invocation = Invocation.from_process()
        paths = invocation.paths
        options = context.find_root().obj or ChatOptions()
        told: list[int] = []

        def tell(_done: int, total: int) -> None:
            if total >= _LONG_WORK and not told:
                told.append(total)
                invocation.note(f"chatcli: reading {counted(total, 'transcript')} into the search index")

        index = TranscriptIndex(paths.transcripts, paths.index, feedback=paths.feedback_log, on_progress=tell)
        store = TranscriptStore(paths.transcripts, index.titled)
        settings = options.settings(invocation.environ, paths)
        if settings.log:
            store.recover()
        return cls(invocation, settings, store, index)

    def read(self, name: str, *, repair: bool) -> "Loaded":
        """A conversation; what was passed over is said on stderr.

        Args:
            name: as ``TranscriptStore.resolve`` gives it.

        Raises:
            DataError: it is damaged, and not to be repaired; says how to.
            ChatcliError: as ``TranscriptStore.read``.
        """
        try:
            loaded = self.store.read(name, repair=repair)
        except TranscriptError as error:
            raise DataError(f"{error}; --repair reads what can be read") from None
        for problem in (*loaded.torn, *loaded.problems):
            self.invocation.note(f"chatcli: {name}:{problem.line}: {problem.problem}; passed over")
        return loaded
