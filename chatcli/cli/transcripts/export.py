"""``chatcli transcripts export``: conversations in the formats of other programs."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from chatcli.chat.conversation import Conversation
from chatcli.chat.formats.exporting import DOCUMENTS, KINDS, RAW, kind_of, render_as, suffix_of
from chatcli.chat.message import Picture
from chatcli.cli import completion as completing
from chatcli.cli.transcripts.context import Archive
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
            "--format",
            "-f",
            metavar="|".join(KINDS),
            help="The format; else what the suffix of --out says, else bare. raw is the file as it is.",
        ),
    ] = None,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE|FOLDER|-",
            help="Where to; - is stdout. Several conversations go into one file of a line each (json, "
            "sharegpt, trl), or into a folder.",
        ),
    ] = _STDOUT,
    everything: Annotated[bool, typer.Option("--all", help="All conversations.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Where a file is damaged, take what can be read.")
    ] = False,
) -> None:
    """Write conversations for other programs: the branch each goes on from; with raw, everything."""
    archive = Archive.of(context)
    if bool(refs) == everything:
        raise UsageError("name the conversations to export, or give --all")
    kind = kind_of("" if out == _STDOUT else out, kind)
    if everything:
        names = [summary.name for summary in archive.index.newest(None)]
    else:
        names = list(dict.fromkeys(map(archive.store.resolve, refs or [])))
    several = everything or len(names) > 1
    work = _Export(archive, kind, force=force, repair=repair, several=several)
    if not several:
        work.one(names[0], out)
    elif kind in DOCUMENTS or kind == RAW:
        work.folder(names, out)
    else:
        work.lines(names, out)
    if work.failed:
        raise typer.Exit(ExitCode.DATA)


class _Export:
    """One run.

    Attributes:
        failed: conversations that could not be read, and were left out.
    """

    def __init__(self, archive: Archive, kind: str, *, force: bool, repair: bool, several: bool) -> None:
        self.failed = 0
        self._archive = archive
        self._kind = kind
        self._force = force
        self._repair = repair
        self._several = several

    def one(self, name: str, out: str) -> None:
        """One conversation into a file, or to stdout."""
        self._write(out, self._pieces(name), self._pictures(name, out))

    def lines(self, names: list[str], out: str) -> None:
        """Many conversations into one file, a line each."""
        self._write(out, (piece for name in names for piece in self._tried(name)))

    def folder(self, names: list[str], out: str) -> None:
        """Many conversations into a folder, a file each."""
        if out == _STDOUT:
            raise UsageError(f"several conversations as {self._kind} need a folder; give --out FOLDER")
        suffix = ".txt" if self._kind == RAW else suffix_of(self._kind)
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
        """Its pieces; none, and a note, if it cannot be read."""
        try:
            yield from self._pieces(name)
        except DataError as error:
            self.failed += 1
            self._archive.invocation.note(f"chatcli: {error}; left out")

    def _pieces(self, name: str) -> Iterator[bytes]:
        if self._kind == RAW:
            from chatcli.storage.transcripts.log import read_bytes

            yield read_bytes(self._archive.store.path(name))
            return
        conversation = self._archive.read(name, repair=self._repair).conversation
        self._check(conversation, name)
        conversation.id = name
        for text in render_as(conversation, self._kind, line=self._several):
            yield text.encode("utf-8", "replace")  # a lone surrogate, in Markdown

    def _pictures(self, name: str, out: str) -> list[Picture]:
        """What lies beside the copy of a transcript, where ``import`` finds it."""
        if self._kind != RAW or out == _STDOUT:
            return []
        return self._archive.store.read(name, repair=True).conversation.pictures

    @staticmethod
    def _check(conversation: Conversation, name: str) -> None:
        if not conversation.path():
            raise DataError(f"{name} goes on before its first message; --format raw takes all its branches")

    def _write(
        self, out: str, pieces: Iterator[bytes] | list[bytes], pictures: Iterable[Picture] = ()
    ) -> None:
        from chatcli.files.replace import atomic_write
        from chatcli.storage.transcripts.pictures import PictureFolder

        invocation = self._archive.invocation
        if out != _STDOUT:
            file = Path(out)
            if os.path.lexists(file) and not self._force:
                raise UsageError(f"{out} is there already; choose another name or give --force")
            with PictureFolder(file).holding(pictures):
                atomic_write(file, pieces)
            return
        for piece in pieces:
            if invocation.stdout.isatty() and self._kind in {*DOCUMENTS, RAW}:
                invocation.write(piece.decode("utf-8", "replace"))
            else:
                invocation.write_bytes(piece)
