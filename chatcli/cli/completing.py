"""What the shell offers at Tab: models, transcripts, personas. Quick, and never an error."""

import os
from collections.abc import Iterable
from pathlib import Path

from chatcli.errors import ChatcliError
from chatcli.settings import Paths, Settings, load_settings

_MOST = 50


def models(incomplete: str) -> list[str]:
    """Names of models that begin so."""
    from chatcli.library.opening import model_names
    from chatcli.library.stores import Places

    paths = _paths()
    try:
        settings = load_settings({}, {}, paths.config_file)
    except ChatcliError:
        settings = Settings()
    return _beginning(incomplete, model_names(settings, Places.of(os.environ, paths)))


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


def pictures(incomplete: str) -> list[str]:
    """Folders, and files named like pictures, that begin so."""
    from chatcli.session.attachments import is_picture_name

    folder, slash, beginning = incomplete.rpartition("/")
    try:
        entries = sorted(Path(os.path.expanduser(folder + slash) or ".").iterdir())  # noqa: PTH111
    except (OSError, ValueError):
        return []
    folders = {entry.name for entry in entries if entry.is_dir()}
    found = [e.name for e in entries if e.name in folders or is_picture_name(e.name)]
    begun = [name for name in found if name.startswith(beginning)][:_MOST]
    return [f"{folder}{slash}{name}{'/' if name in folders else ''}" for name in begun]


def _paths() -> Paths:
    return Paths.locate(os.environ)


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
