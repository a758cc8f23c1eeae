"""What Tab offers: commands, and what their arguments may be."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from chatcli.errors import ChatcliError
from chatcli.feedback.reasons import DOWN, UP
from chatcli.session.attachments import is_picture_name
from chatcli.session.parameters import parameter_names
from chatcli.terminal.chat import Chat
from chatcli.terminal.commands.declaration import Completes
from chatcli.terminal.commands.table import COMMANDS, NAMES
from chatcli.terminal.sanitize import sanitize_line

_LAST_WORD = re.compile(r"(?:[^\s\\]|\\.)*\\?$")
_TO_ESCAPE = re.compile(r"([\s\\'\"])")
_MOST_TRANSCRIPTS = 100

_FILES: Mapping[Completes, Callable[[str], bool]] = {
    Completes.FILE: bool,
    Completes.PICTURE: is_picture_name,
}

#: Something to choose, and a remark about it.
Choice = tuple[str, str]


class CommandCompleter(Completer):
    """Completes the slash commands of a chat.

    Args:
        chat: knows the models, transcripts and personas.
    """

    def __init__(self, chat: Chat) -> None:
        self._sources: Mapping[Completes, Callable[[], Iterable[Choice]]] = {
            Completes.NOTHING: list,
            Completes.BAD_REASON: lambda: DOWN.items(),
            Completes.COMMAND: _commands,
            Completes.GOOD_REASON: lambda: UP.items(),
            Completes.MODEL: lambda: _models(chat),
            Completes.PARAMETER: lambda: ((name, "") for name in parameter_names()),
            Completes.PERSONA: lambda: _personas(chat),
            Completes.REASON: lambda: {**UP, **DOWN}.items(),
            Completes.TRANSCRIPT: lambda: _transcripts(chat),
        }

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """What may stand at the cursor."""
        line = document.text_before_cursor
        if "\n" in document.text or not line.startswith("/"):
            return
        name, blank, argument = line.partition(" ")
        if not blank:
            yield from _offer(name, _commands())
            return
        command = NAMES.get(name)
        if command is None:
            return
        match = _LAST_WORD.search(argument)
        word = match[0] if match else ""
        if not argument[: len(argument) - len(word)].strip():
            yield from _offer(word, ((choice, "") for choice in command.words))
        if command.completes in _FILES:
            yield from _files(word, _FILES[command.completes])
            return
        try:
            yield from _offer(word, self._sources[command.completes]())
        except ChatcliError:
            return


def _offer(word: str, choices: Iterable[Choice]) -> Iterator[Completion]:
    for choice, remark in choices:
        if choice.startswith(word):
            yield Completion(
                choice,
                start_position=-len(word),
                display=sanitize_line(choice),
                display_meta=sanitize_line(remark),
            )


def _commands() -> Iterator[Choice]:
    for command in COMMANDS:
        for name in command.names:
            yield name, command.help


def _models(chat: Chat) -> Iterator[Choice]:
    from chatcli.library.opening import model_names

    names = model_names(chat.session.engine.settings, chat.surroundings.places)
    return ((name, "") for name in names)


def _personas(chat: Chat) -> Iterator[Choice]:
    personas = chat.session.engine.settings.personas
    return ((name, ", ".join(table)) for name, table in personas.items())


def _transcripts(chat: Chat) -> Iterator[Choice]:
    from chatcli.storage.index.index import TranscriptIndex

    paths = chat.surroundings.paths
    index = TranscriptIndex(paths.transcripts, paths.index)
    try:
        found = index.newest(_MOST_TRANSCRIPTS)
    finally:
        index.close()
    return ((summary.name, summary.title) for summary in found)


def _files(word: str, is_wanted: Callable[[str], bool]) -> Iterator[Completion]:
    """Folders, and files of a wanted name, that begin with a word in which blanks and quotes are escaped."""
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
