"""Which imported conversations are here already, by the origin that their first element names."""

from pathlib import Path

from chatcli.chat.formats.foreign import ORIGIN
from chatcli.chat.transcript.reader import Reader, SessionRead
from chatcli.errors import TranscriptError
from chatcli.files.disk import read_regular
from chatcli.storage.transcripts import layout

# The first element of an imported conversation is shorter: its title and its origin are bounded.
_FIRST_ELEMENT = 8192


def known_origins(folder: Path) -> dict[str, str]:
    """Origin -> name of every conversation that was imported. Reads the beginning of each file.

    Args:
        folder: the transcripts folder.
    """
    found = {}
    for name in sorted(layout.names(folder)):
        try:
            begin = read_regular(layout.path_of(folder, name), _FIRST_ELEMENT)
        except OSError:
            continue
        if ORIGIN.encode() in begin and (origin := _origin(begin)):
            found[origin] = name
    return found


def _origin(begin: bytes) -> str | None:
    try:
        for event in Reader([begin]):
            return event.extra.get(ORIGIN) if isinstance(event, SessionRead) else None
    except TranscriptError:
        pass
    return None
