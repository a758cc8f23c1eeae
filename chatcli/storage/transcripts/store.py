"""The transcripts folder: one file for each conversation, written as it happens.

A conversation that is open for writing is locked. The lock ends with its process, whatever ends that.
"""

import contextlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from chatcli.chat.conversation import DEFAULT_ASSISTANT, EPOCH, Conversation
from chatcli.chat.transcript.reader import ReadTranscript, SessionRead, TranscriptReader, load
from chatcli.chat.transcript.scanner import Damage
from chatcli.errors import AmbiguousReference, ChatcliError, StorageError, TranscriptError, UsageError
from chatcli.files.append import AppendFile, Locked
from chatcli.files.disk import read_chunks, read_regular, remove_file, storage_error
from chatcli.storage.transcripts import layout
from chatcli.storage.transcripts.log import NoLog, TranscriptLog, asides, busy, mend_tail
from chatcli.storage.transcripts.partial import journal_path, journals, missing_node, read_part
from chatcli.storage.transcripts.pictures import PictureFolder
from chatcli.words import listed

#: The reference to the conversation that was written last.
LAST = "last"
_MOST_CANDIDATES = 10
# Bytes. The first element of an imported conversation is shorter: its title and its origin are bounded.
_FIRST_ELEMENT = 8192


class Opened(NamedTuple):
    """A conversation to go on with.

    Attributes:
        log: where to write what follows; close it to unlock the conversation.
        problems: elements that were cut, and damage that was passed over, in the order of the file.
    """

    conversation: Conversation
    log: TranscriptLog | NoLog
    problems: tuple[Damage, ...]


class TranscriptStore:
    """The transcripts folder.

    Args:
        folder: appears with the first message.
        titled: gives the names of the conversations with a title (``TranscriptIndex.titled`` does); without
            it, ``resolve`` does not know titles.
    """

    def __init__(self, folder: Path, titled: Callable[[str], Iterable[str]] | None = None) -> None:
        self.folder = folder
        self._titled = titled

    def path(self, name: str) -> Path:
        """The file of a conversation, whether it exists or not."""
        return layout.path_of(self.folder, name)

    def create(
        self, *, assistant: str = DEFAULT_ASSISTANT, title: str = ""
    ) -> tuple[Conversation, TranscriptLog]:
        """A new conversation. Nothing is on disk before its first message."""
        now = datetime.now(UTC).replace(microsecond=0)
        conversation = Conversation(layout.new_id(now), now, title, assistant)
        return conversation, TranscriptLog(self.folder, conversation)

    def add(self, conversation: Conversation) -> TranscriptLog:
        """Write a conversation from elsewhere (an import, a fork) in one durable step, with its pictures.

        It gets a new id, and the current time if it does not know when it began.

        Raises:
            StorageError: it could not be written.
            UsageError: it has no messages.
        """
        if not len(conversation):
            raise UsageError("a conversation without messages cannot be kept")
        if conversation.started == EPOCH:
            conversation.started = datetime.now(UTC).replace(microsecond=0)
        conversation.id = layout.new_id(conversation.started)
        log = TranscriptLog(self.folder, conversation)
        log.append_all()
        return log

    def open(self, ref: str, *, repair: bool = False) -> Opened:
        """Open a conversation for writing; it is locked until its log is closed.

        Args:
            ref: as ``resolve`` takes it.
            repair: pass over damage. The first write then keeps the damaged file beside the new one.

        Raises:
            UsageError: as ``resolve``.
            ConversationBusy: another process has it open.
            TranscriptError: it is damaged, and not to be repaired.
            StorageError: it cannot be read.
        """
        name = self.resolve(ref)
        with contextlib.ExitStack() as on_failure:
            file = on_failure.enter_context(AppendFile(self.path(name), mend_tail))
            with busy(name):
                file.hold(exists=True)
            loaded = self._load(name, repair)
            log = TranscriptLog.resume(self.folder, file, loaded)
            log.recover()
            on_failure.pop_all()
        problems = sorted((*loaded.torn, *loaded.problems), key=lambda p: (p.line, p.column))
        return Opened(loaded.conversation, log, tuple(problems))

    def read(self, ref: str, *, repair: bool = False) -> ReadTranscript:
        """Read a conversation, also while another process writes it.

        Raises:
            UsageError: as ``resolve``.
            TranscriptError: it is damaged, and not to be repaired.
            StorageError: it cannot be read.
        """
        name = self.resolve(ref)
        loaded = self._load(name, repair)
        part = read_part(journal_path(self.folder, name))
        if part is not None and not self._is_open(name):
            node = missing_node(loaded.conversation, part)
            if node is not None:
                loaded.conversation.add(node)
        return loaded

    def recover(self) -> list[str]:
        """Write the partial answers of processes that died into their transcripts.

        Conversations that are open elsewhere, or that cannot be written now, are left for later.

        Returns:
            Names of the conversations that were completed.
        """
        found = []
        for journal in journals(self.folder):
            part = read_part(journal)
            if part is None:
                continue
            with contextlib.suppress(ChatcliError, OSError, ValueError):
                if self.path(part.conversation).is_file():
                    self.open(part.conversation).log.close()
                    found.append(part.conversation)
                else:
                    remove_file(journal)  # what was removed by hand does not come back
        return found

    def remove(self, ref: str) -> str:
        """Remove a conversation and all that was kept beside it, its file last. Returns its name.

        Raises:
            UsageError: as ``resolve``.
            ConversationBusy: another process has it open.
            StorageError: it cannot be removed.
        """
        name = self.resolve(ref)
        path = self.path(name)
        with busy(name), AppendFile(path, mend_tail) as file:
            file.hold(exists=True)
            journal = journal_path(self.folder, name)
            for other in (*asides(path), *([journal] if journal.exists() else [])):
                remove_file(other)
            PictureFolder(path).remove()
            remove_file(path)
        with contextlib.suppress(OSError):  # not empty: there are other conversations of its month
            path.parent.rmdir()
        return name

    def resolve(self, ref: str) -> str:
        """The name of the conversation that is meant.

        Args:
            ref: a name, the beginning of one or of its last part if no other begins so, a title, or ``last``.

        Raises:
            UsageError: there is none.
            AmbiguousReference: there is more than one; the candidates are listed.
        """
        if ref == LAST:
            name = layout.newest(self.folder)
            if name is None:
                raise UsageError(f"there is no conversation yet in {self.folder}")
            return name
        if layout.is_id(ref) and self.path(ref).is_file():
            return ref
        found = []
        for name in layout.names(self.folder):
            if name == ref:
                return name
            if ref and (name.startswith(ref) or name.rpartition("-")[2].startswith(ref)):
                found.append(name)
        if ref and self._titled is not None:
            found = list(self._titled(ref)) or found
        if len(found) == 1:
            return found[0]
        if not found:
            raise UsageError(f"there is no conversation {ref!r}; `chatcli transcripts list` shows them")
        found.sort(reverse=True)
        raise AmbiguousReference(
            f"{ref!r} could be {len(found)} conversations: {listed(found, most=_MOST_CANDIDATES)}; say which"
        )

    def origins(self) -> dict[str, str]:
        """Origin -> name of every imported conversation. Reads the beginning of each file."""
        from chatcli.chat.formats.foreign import ORIGIN

        found = {}
        for name in sorted(layout.names(self.folder)):
            with contextlib.suppress(OSError, TranscriptError):
                begin = read_regular(self.path(name), _FIRST_ELEMENT)
                if ORIGIN.encode() in begin:
                    first = next(iter(TranscriptReader([begin])), None)
                    if isinstance(first, SessionRead) and (origin := first.extra.get(ORIGIN)):
                        found[origin] = name
        return found

    def _is_open(self, name: str) -> bool:
        try:
            with AppendFile(self.path(name), mend_tail) as file:
                file.hold(exists=True)
        except Locked:
            return True
        except (StorageError, OSError):  # nobody can write it
            return False
        return False

    def _load(self, name: str, repair: bool) -> ReadTranscript:
        path = self.path(name)
        try:
            started = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
            loaded = load(read_chunks(path), repair=repair, id=name, started=started)
        except TranscriptError as error:
            raise TranscriptError(error.line, error.column, error.problem, str(path)) from None
        except OSError as error:
            raise storage_error("read", path, error) from error
        loaded.conversation.read_pictures_with(PictureFolder(path).read)
        return loaded


class NoTranscripts:
    """The store when nothing is to be kept: conversations are read, never written.

    Args:
        store: where conversations to go on with are read.
    """

    def __init__(self, store: TranscriptStore) -> None:
        self._store = store

    def create(self, *, assistant: str = DEFAULT_ASSISTANT, title: str = "") -> tuple[Conversation, NoLog]:
        """A new conversation without a file."""
        return Conversation("", datetime.now(UTC), title, assistant), NoLog()

    def add(self, conversation: Conversation) -> NoLog:
        """Leave a conversation without a file."""
        return NoLog()

    def open(self, ref: str, *, repair: bool = False) -> Opened:
        """Read a conversation to go on with; it is not locked, and what follows is not written.

        Raises:
            ChatcliError: as ``TranscriptStore.read``.
        """
        loaded = self._store.read(ref, repair=repair)
        return Opened(loaded.conversation, NoLog(), (*loaded.torn, *loaded.problems))

    def resolve(self, ref: str) -> str:
        """As ``TranscriptStore.resolve``."""
        return self._store.resolve(ref)
