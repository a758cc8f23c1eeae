"""A conversation and its transcript, changed together: what cannot be written does not change."""

from collections.abc import Mapping
from pathlib import Path

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import Message
from chatcli.errors import StorageError
from chatcli.storage.transcripts.log import NoLog, TranscriptLog
from chatcli.storage.transcripts.pictures import PictureFolder
from chatcli.storage.transcripts.store import NoTranscripts, TranscriptStore

#: The conversations of the user.
ConversationStore = TranscriptStore | NoTranscripts


class SavedConversation:
    """A conversation that is saved while it goes on; change it through these methods only."""

    def __init__(self, conversation: Conversation, log: TranscriptLog | NoLog) -> None:
        self.conversation = conversation
        self.log = log
        self._unsaved: list[Node] = []

    @property
    def path(self) -> Path | None:
        """Path of the transcript, or None if there is none yet."""
        return self.log.path

    def add(self, message: Message, extra: Mapping[str, str], at: tuple[int | None] | None = None) -> Node:
        """Write a message and then append it to the head (or to ``at``); on StorageError nothing changed."""
        parent = self.conversation.head if at is None else at[0]
        node = Node(self.conversation.next_id, parent, message, extra)
        self.save()
        self.log.append(node)
        self.conversation.add(node)
        if message.pictures and self.path is not None:  # from now on read their bytes from the disk
            self.conversation.read_pictures_with(PictureFolder(self.path).read)
        return node

    def keep(self, message: Message, parent: int | None, extra: Mapping[str, str] | None = None) -> Node:
        """Append an answer and then write it; on StorageError it stays and is written before the next one."""
        node = self.conversation.append(message, parent, extra)
        self._unsaved.append(node)
        self.save()
        return node

    def head_moved(self, before: int | None) -> None:
        """Write that the head has moved; on StorageError it moves back to ``before``."""
        try:
            self.save()
            self.log.move_head(self.conversation.head)
        except StorageError:
            self.conversation.move_head(before)
            raise

    def rename(self, title: str) -> None:
        """Set the title; on StorageError it is unchanged."""
        self.log.rename(title)
        self.conversation.title = title

    def save(self) -> None:
        """Write what could not be written before; raises StorageError if it still cannot."""
        while self._unsaved:
            self.log.append(self._unsaved[0])
            del self._unsaved[0]
