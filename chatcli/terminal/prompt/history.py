"""The input history of the line editor, and suggestions from it."""

import itertools
from collections.abc import Callable, Iterable

from prompt_toolkit.auto_suggest import AutoSuggest, Suggestion
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.history import History

from chatcli.errors import StorageError
from chatcli.storage.input_history import LONGEST, InputHistory

_MOST_LOADED = 5_000
_MOST_SEARCHED = 1_000
_LONGEST_BEGINNING = 500


class TypedHistory(History):
    """The entries of a history file, behind prompt_toolkit's interface."""

    def __init__(self, file: InputHistory | None, complain: Callable[[str], None]) -> None:
        super().__init__()
        self._file = file
        self._complain = complain

    def load_history_strings(self) -> Iterable[str]:
        """The stored entries, newest first."""
        if self._file is None:
            return []
        try:
            return self._file.load()[: -_MOST_LOADED - 1 : -1]
        except StorageError as error:
            self._give_up(error)
            return []

    def store_string(self, string: str) -> None:
        """Store an entry."""
        if self._file is None:
            return
        try:
            self._file.add(string)
        except StorageError as error:
            self._give_up(error)

    def append_string(self, string: str) -> None:
        """Add an entry unless it repeats the one before it."""
        if self._loaded_strings[:1] != [string]:
            super().append_string(string)

    def _give_up(self, error: StorageError) -> None:
        self._file = None
        self._complain(f"the input history is not saved: {error}")


class SuggestRecent(AutoSuggest):
    """Suggests the rest of the newest entry that begins with the typed text.

    prompt_toolkit's own class goes through every line of every entry at each key, which takes seconds after a
    large text was pasted.
    """

    def get_suggestion(self, buffer: Buffer, document: Document) -> Suggestion | None:
        """The rest of the line, or None."""
        text = document.text
        if not text.strip() or "\n" in text or len(text) > _LONGEST_BEGINNING:
            return None
        entries = buffer.history.get_strings()
        for entry in itertools.islice(reversed(entries), _MOST_SEARCHED):
            if entry.startswith(text) and len(entry) <= LONGEST:
                rest = entry[len(text) :].partition("\n")[0]
                if rest:
                    return Suggestion(rest)
        return None
