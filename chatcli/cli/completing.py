"""What the shell offers at Tab: models, transcripts, personas. Quick, and never an error."""

import os
from collections.abc import Iterable

from chatcli.errors import ChatcliError
from chatcli.settings import Paths, load_settings

_MOST = 50


def models(incomplete: str) -> list[str]:
    """Names of models that begin so."""
    from chatcli.library.names import known_models
    from chatcli.library.stores import Places

    return _beginning(incomplete, known_models(Places.of(os.environ, _paths())))


def transcripts(incomplete: str) -> list[tuple[str, str]]:
    """Names of the newest conversations that begin so, with their titles."""
    from chatcli.storage.index import TranscriptIndex

    paths = _paths()
    try:
        index = TranscriptIndex(paths.transcripts, paths.index)
        found = index.newest(_MOST)
        index.close()
    except ChatcliError:
        return []
    return [(s.name, s.title) for s in found if s.name.startswith(incomplete)]


def personas(incomplete: str) -> list[str]:
    """Names of personas that begin so."""
    try:
        known = load_settings({}, {}, _paths().config_file).personas
    except ChatcliError:
        return []
    return _beginning(incomplete, known)


def _paths() -> Paths:
    return Paths.locate(os.environ)


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
