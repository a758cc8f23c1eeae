"""The file of one conversation, open for writing: each event is one durable write."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import Picture
from chatcli.chat.transcript.reader import ReadTranscript, load
from chatcli.chat.transcript.writer import (
    Position,
    mend,
    render,
    render_head,
    render_message,
    render_session,
    render_title,
)
from chatcli.errors import ConversationBusy, StorageError
from chatcli.files.append import AppendFile, Locked
from chatcli.files.disk import read_regular, remove_file, storage_error
from chatcli.files.replace import atomic_write
from chatcli.storage.transcripts import layout
from chatcli.storage.transcripts.partial import AnswerJournal, journal_path, missing_node, read_part
from chatcli.storage.transcripts.pictures import PictureFolder

#: Ending of the name of a file that was put aside, before a number if there are several.
ASIDE = ".orig"


class TranscriptLog:
    """Writes a conversation as it happens. The file appears with the first message.

    Args:
        folder: the transcripts folder.
        conversation: its id names the file, and changes if that name is taken.
    """

    def __init__(self, folder: Path, conversation: Conversation) -> None:
        self._folder = folder
        self._conversation = conversation
        self._position = Position(conversation.assistant)
        self._file: AppendFile | None = None
        self._foreign = False
        self._closed = False

    @classmethod
    def resume(cls, folder: Path, file: AppendFile, loaded: ReadTranscript) -> "TranscriptLog":
        """Go on with a file that this process holds and has read."""
        log = cls(folder, loaded.conversation)
        log._position, log._file = loaded.position, file
        log._foreign = not loaded.appendable or bool(loaded.problems)
        return log

    @property
    def path(self) -> Path | None:
        """The file; None as long as nothing was written."""
        return self._file.path if self._file else None

    def append(self, node: Node) -> None:
        """Write a message; its pictures first.

        Raises:
            StorageError: it could not be written; the file is as before.
            ConversationBusy: the file was replaced, and another process has the new one open.
        """
        text, position = render_message(node, self._position)
        if self._file is None:
            self._create(lambda: render_session(self._conversation) + text, node.message.pictures)
        else:
            self._write(text, node.message.pictures)
        self._position = position

    def append_all(self) -> None:
        """Write the whole conversation as the first thing, in one step, after copies of its pictures.

        Raises:
            StorageError: as ``append``.
        """
        file = self._create(lambda: "".join(render(self._conversation)), self._conversation.pictures)
        self._conversation.read_pictures_with(PictureFolder(file).read)
        self._position = load(render(self._conversation)).position

    def move_head(self, node_id: int | None) -> None:
        """Write that the chat goes on from another message, or from the beginning (None).

        Raises:
            StorageError: as ``append``.
        """
        if self._file is not None:
            self._write(render_head(node_id))

    def rename(self, title: str) -> None:
        """Give the conversation a title, here and in the file.

        Raises:
            StorageError: as ``append``; the title is as before.
        """
        if self._file is not None:
            self._write(render_title(title))
        self._conversation.title = title

    def answering(self, node: Node) -> AnswerJournal | None:
        """The journal of an answer that is coming; None if nothing was asked yet.

        Args:
            node: the answer before anything came.
        """
        if self._closed or self._file is None:
            return None
        name = self._conversation.id
        return AnswerJournal(journal_path(self._folder, name), name, node)

    def recover(self) -> Node | None:
        """Write the partial answer of a process that died. Returns it, or None if there is none.

        Raises:
            StorageError: it could not be written; the next call tries again.
        """
        journal = journal_path(self._folder, self._conversation.id)
        part = read_part(journal)
        node = missing_node(self._conversation, part) if part is not None else None
        if part is not None and node is not None and self._file is not None:
            self.append(node)
            self._conversation.add(node)
            with contextlib.suppress(OSError):  # it was said then, not now
                os.utime(self._file.path, ns=(part.written_ns, part.written_ns))
        with contextlib.suppress(OSError):
            journal.unlink(missing_ok=True)
        return node

    def close(self) -> None:
        """Let other processes write; idempotent."""
        self._closed = True
        if self._file is not None:
            self._file.close()

    def _write(self, text: str, pictures: Iterable[Picture] = ()) -> None:
        if self._closed or self._file is None:
            raise StorageError("this conversation is closed; nothing more can be written to it")
        with busy(self._conversation.id):
            if self._foreign:
                self._write_anew(self._file.path)
            with PictureFolder(self._file.path).holding(pictures):
                self._file.append(text.encode())

    def _create(self, text: Callable[[], str], pictures: Iterable[Picture]) -> Path:
        if self._closed:
            raise StorageError("this conversation is closed; nothing more can be written to it")
        while True:
            file = AppendFile(layout.path_of(self._folder, self._conversation.id), mend_tail)
            try:
                file.hold(exists=False)
                break
            except FileExistsError:  # the same name was drawn twice within a second
                self._conversation.id = layout.new_id(self._conversation.started)
        try:
            with PictureFolder(file.path).holding(pictures):
                file.append(text().encode())
        except BaseException:
            file.close()
            with contextlib.suppress(StorageError):
                remove_file(file.path)
            raise
        self._file = file
        return file.path

    def _write_anew(self, path: Path) -> None:
        """Put a foreign or damaged file aside, and our form of it, which can be appended to, in its place."""
        content = read_bytes(path)
        known = self._conversation
        loaded = load([content], repair=True, id=known.id, started=known.started, assistant=known.assistant)
        if content:
            atomic_write(_free_name(path), content)
        atomic_write(path, "".join(render(loaded.conversation)).encode())
        self._foreign = False


class NoLog:
    """The log of a conversation that is not kept: writes nothing."""

    path = None

    def append(self, node: Node) -> None:
        """No-op."""

    def move_head(self, node_id: int | None) -> None:
        """No-op."""

    def rename(self, title: str) -> None:
        """No-op."""

    def answering(self, node: Node) -> None:
        """No journal."""

    def close(self) -> None:
        """No-op."""


def mend_tail(file: BinaryIO, size: int) -> bytes:
    """The tail repair of transcripts, as ``mend`` defines it."""
    file.seek(max(0, size - 1))
    return mend(file.read(1))


@contextlib.contextmanager
def busy(name: str) -> Iterator[None]:
    """Turn ``Locked`` into ``ConversationBusy``, which names the conversation."""
    try:
        yield
    except Locked:
        raise ConversationBusy(
            f"conversation {name} is open in another chatcli; go on there, close it, or begin a new chat"
        ) from None


def read_bytes(path: Path) -> bytes:
    """All of a file.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        return read_regular(path)
    except OSError as error:
        raise storage_error("read", path, error) from error


def asides(path: Path) -> list[Path]:
    """The files that were put aside in favour of this one."""
    return sorted(p for p in path.parent.glob("*" + ASIDE + "*") if p.name.startswith(path.name + ASIDE))


def _free_name(path: Path) -> Path:
    taken = len(asides(path))
    while True:
        free = path.with_name(f"{path.name}{ASIDE}{taken or ''}")
        if not free.exists():
            return free
        taken += 1
