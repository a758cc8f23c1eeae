"""Recognizes pictures that are dropped or pasted onto a terminal, which types their paths."""

import os
import shlex
import urllib.parse

from chatcli.session.attachments import is_picture_name

_FILE_ADDRESS = "file://"
_MOST_CHARACTERS = 1 << 16  # of a line that is looked at; no path is longer


def dropped_pictures(typed: str) -> list[str]:
    """The paths, if a typed text is nothing but paths of files that are there and named like pictures.

    Terminals type a path as it is, in quotes, with blanks escaped, or as a ``file://`` address; several with
    blanks between them.
    """
    text = typed.strip()
    if "\n" in text or len(text) > _MOST_CHARACTERS or not is_picture_name(text.rstrip("'\"")):
        return []
    try:
        words = shlex.split(text)
    except ValueError:  # a quote that is a part of a name
        words = []
    for paths in ([text], list(map(_path, words))):
        if paths and all(is_picture_name(path) and _is_file(path) for path in paths):
            return paths
    return []


def _path(word: str) -> str:
    return urllib.parse.unquote(word.removeprefix(_FILE_ADDRESS)) if word.startswith(_FILE_ADDRESS) else word


def _is_file(path: str) -> bool:
    return os.path.isfile(os.path.expanduser(path))  # noqa: PTH111, PTH113  (Path's raise for strange names)
