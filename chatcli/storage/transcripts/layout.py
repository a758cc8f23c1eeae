"""Where conversations lie in the transcripts folder, and what they are called.

A conversation that began at 17:30:12 UTC on 20 November 2026 is ``2026/11/20261120-173012-k7qxd.txt``: names
sort by time, a month of chats is one folder of bearable size, and the last part alone is enough to type.
A file put there by hand, anywhere below the folder, is a conversation too; its path is its name. The
pictures of a conversation lie beside it, in a folder of its name.
"""

import os
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from chatcli.chat.transcript.markup import SURROGATE

SUFFIX = ".txt"
_PICTURES = ".pictures"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_RANDOM_LENGTH = 5
_ID = re.compile(rf"(\d{{4}})(\d\d)\d\d-\d{{6}}-[{_ALPHABET}]{{{_RANDOM_LENGTH}}}")


def new_id(started: datetime) -> str:
    """A new name for a conversation that began at this time; 25 random bits avoid equal names."""
    tail = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return f"{started.astimezone(UTC):%Y%m%d-%H%M%S}-{tail}"


def is_id(name: str) -> bool:
    """Whether this is a name as ``new_id`` makes them."""
    return _ID.fullmatch(name) is not None


def path_of(folder: Path, name: str) -> Path:
    """The file of the conversation with this name.

    Args:
        folder: the transcripts folder.
        name: an id, or the path below the folder without its suffix, with ``/``.
    """
    match = _ID.fullmatch(name)
    return folder / (f"{match[1]}/{match[2]}/{name}{SUFFIX}" if match else f"{name}{SUFFIX}")


def pictures_of(transcript: Path) -> Path:
    """The folder of a transcript's pictures, whether it exists or not."""
    return transcript.with_name(transcript.name.removesuffix(SUFFIX) + _PICTURES)


def name_of(relative: str) -> str:
    """The name of a conversation, from its path below the folder (with ``/``); undoes ``path_of``."""
    name = relative.removesuffix(SUFFIX)
    stem = name.rpartition("/")[2]
    match = _ID.fullmatch(stem)
    return stem if match and name == f"{match[1]}/{match[2]}/{stem}" else name


def is_transcript(file_name: str) -> bool:
    """Whether a file name is that of a conversation: not hidden, valid text, and with the suffix."""
    return file_name.endswith(SUFFIX) and is_folder_name(file_name)


def is_folder_name(name: str) -> bool:
    """Whether a folder is searched for conversations: not hidden, not of pictures, its name valid text."""
    if name.startswith(".") or name.endswith(_PICTURES):
        return False
    return name.isascii() or not SURROGATE.search(name)


def names(folder: Path) -> Iterator[str]:
    """The names of all conversations, in no order. Folders that cannot be read are passed over."""
    root = str(folder)
    for at, folders, files in os.walk(root):
        folders[:] = [f for f in folders if is_folder_name(f)]
        below = os.path.relpath(at, root).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        yield from (name_of(prefix + f) for f in files if is_transcript(f))


def newest(folder: Path) -> str | None:
    """The name of the conversation that was written last; None if there is none."""
    best: tuple[int, str] | None = None
    for name in names(folder):
        try:
            status = path_of(folder, name).stat()
        except OSError:  # removed meanwhile
            continue
        if status.st_size and (best is None or (status.st_mtime_ns, name) > best):
            best = status.st_mtime_ns, name
    return best[1] if best else None
