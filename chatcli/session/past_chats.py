"""Finds stored chats by name, by title and by what was said in them."""

from dataclasses import dataclass

from chatcli.chat.conversation import Node
from chatcli.chat.message import Role
from chatcli.errors import ChatcliError, UsageError
from chatcli.settings import Paths
from chatcli.storage.index.index import Hit, Summary, TranscriptIndex
from chatcli.storage.transcripts.store import TranscriptStore

#: Largest transcript that is read for a preview, in bytes.
_LARGEST = 4 * 2**20
_MOST = 200


@dataclass(frozen=True, slots=True)
class Found:
    """A chat that was found.

    Attributes:
        snippet: the text that matched; empty if the name or the title matched.
    """

    summary: Summary
    snippet: str = ""


class PastChats:
    """The stored chats. Close it, or use it as a context manager."""

    def __init__(self, paths: Paths) -> None:
        self._index = TranscriptIndex(paths.transcripts, paths.index, feedback=paths.feedback_log)
        self._store = TranscriptStore(paths.transcripts)
        self._all: list[Summary] | None = None

    def find(self, text: str) -> list[Found]:
        """Chats that match what a person has typed so far, the newest first.

        Chats whose name begins with the text or whose title contains it come before those in which it was
        said. A single letter is not searched in messages, because it is everywhere.
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
        """Search messages, the newest chats first; raises as ``TranscriptIndex.search``."""
        return self._index.search(query, count=count)

    def last_words(self, name: str, count: int) -> list[Node]:
        """The last messages of a chat, at most ``count``; none if it cannot be read."""
        try:
            if self._store.path(name).stat().st_size > _LARGEST:
                return []
            conversation = self._store.read(name, repair=True).conversation
        except (ChatcliError, OSError):
            return []
        return [node for node in conversation.path() if node.message.role is not Role.SYSTEM][-count:]

    def _said(self, query: str) -> list[Hit]:
        """The hits of a query; none while it is half typed and malformed."""
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
