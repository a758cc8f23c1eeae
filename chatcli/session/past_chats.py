"""The chats that are kept, for finding one of them: by its name, its title, and by what was said in it."""

from dataclasses import dataclass

from chatcli.chat.conversation import Node
from chatcli.chat.message import Role
from chatcli.errors import ChatcliError, UsageError
from chatcli.settings import Paths
from chatcli.storage.index.index import Hit, Summary, TranscriptIndex
from chatcli.storage.transcripts.store import TranscriptStore

#: A larger transcript is not read to be looked at, in bytes.
_LARGEST = 4 * 2**20
_MOST = 200


@dataclass(frozen=True, slots=True)
class Found:
    """A chat that may be meant.

    Attributes:
        summary: of the chat.
        snippet: where what was searched for was said; empty: its name or title was found.
    """

    summary: Summary
    snippet: str = ""


class PastChats:
    """The chats that are kept. Close it, or use it as a context manager.

    Args:
        paths: where they are.
    """

    def __init__(self, paths: Paths) -> None:
        self._index = TranscriptIndex(paths.transcripts, paths.index, feedback=paths.feedback_log)
        self._store = TranscriptStore(paths.transcripts)
        self._all: list[Summary] | None = None

    def find(self, text: str) -> list[Found]:
        """Chats that may be meant by the beginning of what a person types, the newest first.

        Those whose name begins so, or whose title holds it, come before those in which it was said; one
        letter is said everywhere, so that is not looked for.

        Raises:
            StorageError: the index cannot be used.
        """
        if self._all is None:
            self._all = self._index.newest(None)
        wanted = text.strip().casefold()
        named = [Found(s) for s in self._all if _is_named(s, wanted)][:_MOST]
        if not wanted or len(named) == _MOST or (len(wanted) == 1 and wanted.isascii()):
            return named
        there = {found.summary.name for found in named}
        known = {summary.name: summary for summary in self._all}
        said: dict[str, Found] = {}
        for hit in self._said(text.strip() + ("*" if wanted[-1].isalnum() else "")):
            if hit.name not in there and hit.name in known:
                said.setdefault(hit.name, Found(known[hit.name], hit.snippet))
        return [*named, *said.values()]

    def search(self, query: str, count: int) -> list[Hit]:
        """Messages by what they say, the newest chats first; see ``TranscriptIndex.search``.

        Raises:
            UsageError: the query makes no sense.
            StorageError: the index cannot be used.
        """
        return self._index.search(query, count=count)

    def last_words(self, name: str, count: int) -> list[Node]:
        """The end of what was said in a chat, at most so many messages; none if it cannot be read."""
        try:
            if self._store.path(name).stat().st_size > _LARGEST:
                return []
            conversation = self._store.read(name, repair=True).conversation
        except (ChatcliError, OSError):
            return []
        return [node for node in conversation.path() if node.message.role is not Role.SYSTEM][-count:]

    def _said(self, query: str) -> list[Hit]:
        """What a query finds; nothing while it is half typed and makes no sense yet."""
        try:
            return self.search(query, _MOST)
        except UsageError:
            return []

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    def __enter__(self) -> "PastChats":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_named(summary: Summary, wanted: str) -> bool:
    name = summary.name.casefold()
    return (
        name.startswith(wanted)
        or name.rpartition("-")[2].startswith(wanted)
        or wanted in summary.title.casefold()
    )
