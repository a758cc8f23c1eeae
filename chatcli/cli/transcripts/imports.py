"""``chatcli transcripts import``: conversations from files of chatcli, other programs and services."""

import contextlib
import io
import json
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from chatcli.chat.conversation import EPOCH, Conversation
from chatcli.chat.formats.foreign import ORIGIN, moment, origin_of
from chatcli.chat.formats.importing import READERS, Imported, Unreadable, read_chats
from chatcli.cli.options import AsJson
from chatcli.cli.transcripts.context import Repair, TranscriptsContext
from chatcli.errors import ExitCode, TranscriptError, UsageError
from chatcli.terminal.sanitize import sanitize_line
from chatcli.words import binary_size

#: Largest file to read, in bytes: an export of many years of chats has some hundred megabytes.
MOST_BYTES = 512 * 2**20
_OURS = ("bare", "raw")
_KINDS = ("auto", *_OURS, *READERS)
_IN_ARCHIVE = re.compile(r"(?:.*/)?conversations[^/]*\.json")
_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?\s*")


def import_(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Transcripts, JSON, JSONL, ChatGPT's ZIP archive; - is stdin."
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(
            *("--format", "-f"),
            metavar="|".join(_KINDS),
            help="The format of the files; auto detects it. bare and raw both mean transcripts.",
        ),
    ] = "auto",
    repair: Repair = False,
    as_json: AsJson = False,
) -> None:
    """Import conversations with all branches; conversations that exist here already are skipped."""
    archive = TranscriptsContext.of(context)
    if kind not in _KINDS:
        raise UsageError(f"there is no format {kind!r}; the formats are {', '.join(_KINDS)}")
    if files.count("-") > 1:
        raise UsageError("standard input can be read only once")
    work = _Import(archive, kind, repair=repair, quiet=as_json)
    for file in files:
        work.file(file)
    if as_json:
        archive.invocation.write_json(work.records)
    work.summarize()
    if work.unreadable:
        raise typer.Exit(ExitCode.DATA)


@dataclass(slots=True)
class _Import:
    """One run."""

    archive: TranscriptsContext
    kind: str
    repair: bool = field(kw_only=True)
    quiet: bool = field(kw_only=True)
    records: list[dict[str, Any]] = field(default_factory=list)
    unreadable: int = 0
    empty: int = 0
    _origins: dict[str, str] | None = None

    def file(self, name: str) -> None:
        """Import all conversations of a file; report and count what cannot be read."""
        seen = 0
        for label, data in self._contents(name):
            if isinstance(data, str):
                self._complain(label, "", data)
                seen += 1
                continue
            for chat in self._chats(label, data):
                seen += 1
                if isinstance(chat, Unreadable):
                    self._complain(label, chat.place, chat.problem)
                elif len(chat.conversation):
                    self._keep(chat.conversation, label, chat.place)
                else:
                    self.empty += 1
        if not seen:
            self._complain(name, "", "the file has no chat")

    def summarize(self) -> None:
        """Print the counts if there was more than one conversation."""
        new = sum(record["status"] == "imported" for record in self.records)
        counts = {
            "imported": new,
            "present": len(self.records) - new,
            "without messages": self.empty,
            "unreadable": self.unreadable,
        }
        if sum(counts.values()) > 1:
            told = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
            self.archive.invocation.say(told)

    def _contents(self, name: str) -> Iterator[tuple[str, bytes | str]]:
        """Yield name and content of each file with chats; the content is a text if it cannot be read."""
        try:
            data = _read(name)
        except OSError as error:
            yield name, f"cannot be read: {(error.strerror or str(error)).lower()}"
            return
        if len(data) > MOST_BYTES:
            yield name, f"larger than {binary_size(MOST_BYTES)}; split it"
        elif data.startswith(b"PK\x03\x04"):
            yield from _unpacked(name, data)
        else:
            yield name, data

    def _chats(self, label: str, data: bytes) -> Iterator[Imported | Unreadable]:
        start = _BEGIN.match(data)
        first = data[start.end() :][:1] if start else b""
        ours = self.kind in _OURS or (self.kind == "auto" and first == b"<")
        if ours:
            yield self._transcript(label, data)
            return
        encoding = json.detect_encoding(data)
        if self.kind == "auto" and first not in {b"{", b"["} and encoding.startswith("utf-8"):
            yield Unreadable("1:1", "neither a transcript, which begins with <, nor JSON; pass --format")
            return
        try:
            text = data.decode(encoding, "surrogatepass")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            yield Unreadable(f"line {line}", f"not {encoding} text at byte {error.start}")
            return
        kind = None if self.kind == "auto" else self.kind
        yield from read_chats(text, assistant=self.archive.settings.assistant_name, kind=kind)

    def _transcript(self, label: str, data: bytes) -> Imported | Unreadable:
        from chatcli.chat.transcript.reader import load

        try:
            loaded = load([data], repair=self.repair, assistant=self.archive.settings.assistant_name)
        except TranscriptError as error:
            place = f"{error.line}:{error.column}"
            return Unreadable(place, f"{error.problem}; --repair reads the undamaged parts")
        for problem in (*loaded.torn, *loaded.problems):
            self.archive.invocation.say(f"line {problem.line}: {problem.problem}; passed over")
        conversation = loaded.conversation
        self._find_pictures(conversation, label)
        origin = origin_of(conversation, "transcript", conversation.id)
        conversation.extra = {**conversation.extra, ORIGIN: origin}
        return Imported("", conversation)

    def _find_pictures(self, conversation: Conversation, label: str) -> None:
        """Read the pictures next to a transcript; report each missing one, of which only the name is kept."""
        from chatcli.storage.transcripts.pictures import PictureFolder

        folder = PictureFolder(Path(label))
        conversation.read_pictures_with(folder.read)
        for picture in folder.missing(conversation.pictures):
            what = f"there is no picture {sanitize_line(picture.name)} in {folder.path}"
            self.archive.invocation.say(f"{label}: {what}; only its name is kept")

    def _keep(self, conversation: Conversation, label: str, place: str) -> None:
        """Write a conversation into the transcripts folder unless it is there."""
        invocation, origin = self.archive.invocation, conversation.extra[ORIGIN]
        where = ": ".join(filter(None, (label, place)))
        present = self._present(conversation)
        if present is None:
            self._tell_of_older(origin, where)
            log = self.archive.store.add(conversation)
            log.close()
            self._known()[origin] = conversation.id
            if log.path is not None:
                _date_back(log.path, conversation)
            if not self.quiet:
                invocation.write(f"{conversation.id}  {sanitize_line(conversation.title)}".rstrip() + "\n")
        else:
            invocation.say(f"{where}: already present as {present}")
        self.records.append(
            {
                "id": present or conversation.id,
                "status": "present" if present else "imported",
                "title": conversation.title,
                "messages": len(conversation),
                "file": label,
                "place": place or None,
            }
        )

    def _known(self) -> dict[str, str]:
        if self._origins is None:
            self._origins = self.archive.store.origins()
        return self._origins

    def _present(self, conversation: Conversation) -> str | None:
        """Return the name of the same conversation here, or None."""
        from chatcli.storage.transcripts.layout import is_id

        origin, store = conversation.extra[ORIGIN], self.archive.store
        if is_id(conversation.id) and store.path(conversation.id).is_file():
            own = store.read(conversation.id, repair=True).conversation
            if origin_of(own, "transcript", own.id) == origin:
                return conversation.id
        if _is_anonymous(origin):
            digest = origin.rpartition(":")[2]
            return next((n for known, n in self._known().items() if known.endswith(f":{digest}")), None)
        return self._known().get(origin)

    def _tell_of_older(self, origin: str, where: str) -> None:
        if _is_anonymous(origin):
            return
        source = origin.rpartition(":")[0] + ":"
        older = [name for known, name in self._known().items() if known.startswith(source)]
        if older:
            self.archive.invocation.say(
                f"{where}: an earlier version was imported as {older[-1]}, which stays"
            )

    def _complain(self, label: str, place: str, problem: str) -> None:
        self.unreadable += 1
        self.archive.invocation.say(sanitize_line(": ".join(filter(None, (label, place, problem)))))


def _is_anonymous(origin: str) -> bool:
    """Whether the source has no id, so that only its words identify a conversation."""
    return origin.rpartition(":")[0].endswith(":")


def _read(name: str) -> bytes:
    """Read a file, at most one byte more than allowed."""
    if name == "-":
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    with Path(name).open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _unpacked(name: str, data: bytes) -> Iterator[tuple[str, bytes | str]]:
    """Yield the files with chats of a ZIP archive, as ChatGPT exports them."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = [info for info in archive.infolist() if _IN_ARCHIVE.fullmatch(info.filename)]
            for info in found:
                label = f"{name}/{info.filename}"
                if info.file_size > MOST_BYTES:
                    yield label, f"larger than {binary_size(MOST_BYTES)}; split it"
                else:
                    yield label, archive.read(info)
            if not found:
                yield name, "there is no conversations.json in this ZIP archive"
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, zlib.error) as error:
        yield name, f"damaged ZIP archive: {error}"


def _date_back(path: Path, conversation: Conversation) -> None:
    """Set the time of a file to the last message, so that lists do not show the time of the import."""
    times = [moment(node.extra.get("time")) for node in conversation.nodes]
    last = max([*times, conversation.started])
    if EPOCH < last < datetime.now(UTC):
        with contextlib.suppress(OSError, OverflowError):
            os.utime(path, (last.timestamp(), last.timestamp()))
