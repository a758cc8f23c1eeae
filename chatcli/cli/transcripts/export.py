"""``chatcli transcripts export``: conversations in the formats of other programs."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from chatcli.chat.formats.exporting import DOCUMENTS, KINDS, RAW, kind_of, render_as, suffix_of
from chatcli.chat.message import Picture
from chatcli.cli import completion as completing
from chatcli.cli.transcripts.context import Repair, TranscriptsContext
from chatcli.errors import DataError, ExitCode, UsageError

_STDOUT = "-"


def export(
    context: typer.Context,
    refs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="REF...",
            help="Conversations, named as for show.",
            autocompletion=completing.transcripts,
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            *("--format", "-f"),
            metavar="|".join(KINDS),
            help="The format; default: by the suffix of --out, else bare. raw copies the file.",
        ),
    ] = None,
    out: Annotated[
        str,
        typer.Option(
            *("--out", "-o"),
            metavar="FILE|FOLDER|-",
            help="The output; - is stdout. Several conversations go into one file with one line each (json, "
            "sharegpt, trl), or into a folder.",
        ),
    ] = _STDOUT,
    everything: Annotated[bool, typer.Option("--all", help="Export all conversations.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    repair: Repair = False,
) -> None:
    """Write the current branch of conversations for other programs; raw writes all branches."""
    archive = TranscriptsContext.of(context)
    if bool(refs) == everything:
        raise UsageError("name the conversations to export, or give --all")
    kind = kind_of("" if out == _STDOUT else out, kind)
    names = [s.name for s in archive.index.newest(None)] if everything else archive.names(refs or [])
    several = everything or len(names) > 1
    work = _Export(archive, kind, force, repair, several)
    if not several:
        work.one(names[0], out)
    elif kind in DOCUMENTS or kind == RAW:
        work.folder(names, out)
    else:
        work.lines(names, out)
    if work.failed:
        raise typer.Exit(ExitCode.DATA)


@dataclass(slots=True)
class _Export:
    """One run.

    Attributes:
        several: whether more than one conversation is written.
        failed: number of conversations that could not be read.
    """

    archive: TranscriptsContext
    kind: str
    force: bool
    repair: bool
    several: bool
    failed: int = field(default=0, init=False)

    def one(self, name: str, out: str) -> None:
        """Write one conversation into a file, or to stdout."""
        self._write(out, self._pieces(name), self._pictures(name, out))

    def lines(self, names: list[str], out: str) -> None:
        """Write many conversations into one file, one line each."""
        self._write(out, (piece for name in names for piece in self._tried(name)))

    def folder(self, names: list[str], out: str) -> None:
        """Write many conversations into a folder, one file each."""
        if out == _STDOUT:
            raise UsageError(f"several conversations as {self.kind} need a folder; give --out FOLDER")
        suffix = ".txt" if self.kind == RAW else suffix_of(self.kind)
        taken: set[str] = set()
        for name in names:
            stem = plain = name.replace("/", "_")
            while stem.casefold() in taken:
                stem = f"{plain}-{len(taken)}"
            taken.add(stem.casefold())
            pieces = list(self._tried(name))
            if pieces:
                self._write(str(Path(out, stem + suffix)), pieces, self._pictures(name, out))

    def _tried(self, name: str) -> Iterator[bytes]:
        """Yield the pieces of a conversation; a damaged one is reported and skipped."""
        try:
            yield from self._pieces(name)
        except DataError as error:
            self.failed += 1
            self.archive.invocation.say(f"{error}; skipped")

    def _pieces(self, name: str) -> Iterator[bytes]:
        if self.kind == RAW:
            from chatcli.storage.transcripts.log import read_bytes

            yield read_bytes(self.archive.store.path(name))
            return
        conversation = self.archive.read(name, repair=self.repair).conversation
        if not conversation.path():
            raise DataError(f"the current branch of {name} is empty; --format raw writes all branches")
        conversation.id = name
        for text in render_as(conversation, self.kind, line=self.several):
            yield text.encode("utf-8", "replace")  # a lone surrogate, in Markdown

    def _pictures(self, name: str, out: str) -> list[Picture]:
        """Return the pictures to write next to the copy of a transcript, where ``import`` finds them."""
        if self.kind != RAW or out == _STDOUT:
            return []
        return self.archive.store.read(name, repair=True).conversation.pictures

    def _write(self, out: str, pieces: Iterable[bytes], pictures: Iterable[Picture] = ()) -> None:
        from chatcli.files.replace import atomic_write
        from chatcli.storage.transcripts.pictures import PictureFolder

        invocation = self.archive.invocation
        if out != _STDOUT:
            file = Path(out)
            if os.path.lexists(file) and not self.force:
                raise UsageError(f"{out} exists; choose another name or give --force")
            with PictureFolder(file).holding(pictures):
                atomic_write(file, pieces)
            return
        for piece in pieces:
            if invocation.stdout.isatty() and self.kind in {*DOCUMENTS, RAW}:
                invocation.write(piece.decode("utf-8", "replace"))
            else:
                invocation.write_bytes(piece)
