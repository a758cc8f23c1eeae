"""Shell completion of models, conversations, personas and pictures. Errors give no suggestions."""

import os
from collections.abc import Iterable
from pathlib import Path

from chatcli.errors import ChatcliError
from chatcli.settings import Paths, Settings, load_settings

_MOST = 50  # suggestions


def models(incomplete: str) -> list[str]:
    """Names of models with this beginning."""
    from chatcli.library.opening import model_names
    from chatcli.library.stores import Places

    paths = Paths.locate(os.environ)
    try:
        settings = load_settings({}, {}, paths.config_file)
    except ChatcliError:
        settings = Settings()
    return _beginning(incomplete, model_names(settings, Places.of(os.environ, paths)))


def transcripts(incomplete: str) -> list[tuple[str, str]]:
    """Ids of the newest conversations with this beginning, each with its title."""
    from chatcli.storage.index.index import TranscriptIndex

    paths = Paths.locate(os.environ)
    try:
        index = TranscriptIndex(paths.transcripts, paths.index)
        found = index.newest(_MOST)
        index.close()
    except ChatcliError:
        return []
    return [(s.name, s.title) for s in found if s.name.startswith(incomplete)]


def personas(incomplete: str) -> list[str]:
    """Names of personas with this beginning."""
    try:
        return _beginning(incomplete, load_settings({}, {}, Paths.locate(os.environ).config_file).personas)
    except ChatcliError:
        return []


def pictures(incomplete: str) -> list[str]:
    """Folders and picture files with this beginning."""
    from chatcli.session.attachments import is_picture_name

    folder, slash, beginning = incomplete.rpartition("/")
    try:
        entries = sorted(Path(os.path.expanduser(folder + slash) or ".").iterdir())  # noqa: PTH111
    except (OSError, ValueError):
        return []
    folders = {entry.name for entry in entries if entry.is_dir()}
    names = [e.name for e in entries if e.name in folders or is_picture_name(e.name)]
    found = _beginning(beginning, names)[:_MOST]
    return [f"{folder}{slash}{name}{'/' if name in folders else ''}" for name in found]


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
