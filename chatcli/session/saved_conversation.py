"""A conversation and its transcript, changed together: what cannot be written is as it was."""

from collections.abc import Mapping
from pathlib import Path

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import Message
from chatcli.errors import StorageError
from chatcli.storage.transcripts.log import NoLog, TranscriptLog
from chatcli.storage.transcripts.pictures import PictureFolder


class WrittenConversation:
    """A conversation that is kept while it goes on.

    Args:
        conversation: what has been said.
        log: its transcript.

    Attributes:
        conversation, log: as given; change the conversation through these methods.
    """

    def __init__(self, conversation: Conversation, log: TranscriptLog | NoLog) -> None:
        self.conversation = conversation
        self.log = log
        self._unsaved: list[Node] = []

    @property
    def path(self) -> Path | None:
        """The file; None: there is none, or not yet."""
        return self.log.path

    def add(self, message: Message, extra: Mapping[str, str], at: tuple[int | None] | None = None) -> Node:
        """Write a message down, then append it (``at``: after that one, not at the head).

        Raises:
            StorageError: it could not be written; all is as before.
        """
        parent = self.conversation.head if at is None else at[0]
        node = Node(self.conversation.next_id, parent, message, extra)
        self.save()
        self.log.append(node)
        self.conversation.add(node)
        if message.pictures and self.path is not None:  # from now on their bytes are on the disk only
            self.conversation.read_pictures_with(PictureFolder(self.path).read)
        return node

    def keep(self, message: Message, parent: int | None, extra: Mapping[str, str] | None = None) -> Node:
        """Append what cannot be had again, an answer, then write it down.

        Raises:
            StorageError: it could not be written yet; it is part of the conversation all the same, and is
                tried again with whatever is written next.
        """
        node = self.conversation.append(message, parent, extra)
        self._unsaved.append(node)
        self.save()
        return node

    def head_moved(self, before: int | None) -> None:
        """Write down where the chat goes on now.

        Raises:
            StorageError: it could not be written; the head is where it was ``before``.
        """
        try:
            self.save()
            self.log.move_head(self.conversation.head)
        except StorageError:
            self.conversation.move_head(before)
            raise

    def rename(self, title: str) -> None:
        """Give the conversation a title.

        Raises:
            StorageError: it could not be written; the title is as before.
        """
        self.log.rename(title)
        self.conversation.title = title

    def save(self) -> None:
        """Try again to write what could not be written before.

        Raises:
            StorageError: it still cannot.
        """
        while self._unsaved:
            self.log.append(self._unsaved[0])
            del self._unsaved[0]
