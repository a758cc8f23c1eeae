"""Tab completion: slash commands and their arguments."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from chatcli.errors import ChatcliError
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.declaration import Offer
from chatcli.terminal.commands.table import NAMES, command_offers
from chatcli.terminal.sanitize import sanitize_line

_LAST_WORD = re.compile(r"(?:[^\s\\]|\\.)*\\?$")
_TO_ESCAPE = re.compile(r"([\s\\'\"])")


class CommandCompleter(Completer):
    """Completes the slash commands of a chat."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """The completions at the cursor."""
        line = document.text_before_cursor
        if "\n" in document.text or not line.startswith("/"):
            return
        name, blank, argument = line.partition(" ")
        if not blank:
            yield from _complete(name, command_offers(self._chat))
            return
        command = NAMES.get(name)
        if command is None:
            return
        match = _LAST_WORD.search(argument)
        word = match[0] if match else ""
        if not argument[: len(argument) - len(word)].strip():
            yield from _complete(word, ((choice, "") for choice in command.words))
        if command.files is not None:
            yield from _files(word, command.files)
        elif command.offers is not None:
            try:
                yield from _complete(word, command.offers(self._chat))
            except ChatcliError:
                return


def _complete(word: str, offers: Iterable[Offer]) -> Iterator[Completion]:
    for offer, remark in offers:
        if offer.startswith(word):
            yield Completion(
                offer,
                start_position=-len(word),
                display=sanitize_line(offer),
                display_meta=sanitize_line(remark),
            )


def _files(word: str, is_wanted: Callable[[str], bool]) -> Iterator[Completion]:
    """Folders and wanted files whose names begin with a word in which blanks and quotes are escaped."""
    typed = re.sub(r"\\(.)", r"\1", word)
    folder, _, beginning = typed.rpartition("/")
    base = Path(os.path.expanduser(folder + "/") if "/" in typed else ".")  # noqa: PTH111
    try:
        entries = sorted(base.iterdir())
    except (OSError, ValueError):
        return
    for entry in entries:
        if not entry.name.startswith(beginning) or (entry.name.startswith(".") and not beginning):
            continue
        tail = "/" if entry.is_dir() else ""
        if not (tail or is_wanted(entry.name)):
            continue
        rest = _TO_ESCAPE.sub(r"\\\1", entry.name)
        escaped = _TO_ESCAPE.sub(r"\\\1", beginning)
        yield Completion(rest + tail, start_position=-len(escaped), display=sanitize_line(entry.name + tail))
