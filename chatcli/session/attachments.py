"""Files attached to a message: text files, each named and fenced to set it apart, and pictures."""

import codecs
import glob
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from chatcli.chat import pictures
from chatcli.chat.message import Picture
from chatcli.engine import pictures as decoding
from chatcli.engine.base import Engine, no_vision_reason
from chatcli.errors import ModelError, UsageError
from chatcli.words import binary_size, listed

#: Limits of one message.
MOST_FILES = 200
MOST_BYTES = 4 * 2**20
MOST_PICTURES = 16
#: Stands for a picture from standard input.
STDIN = "-"
_FENCES = re.compile(r"^ {0,3}(`{3,})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A text file; ``name`` is the path as it was given."""

    name: str
    text: str


def read_files(patterns: Sequence[str]) -> list[Attachment]:
    """Read text files, all or none.

    Args:
        patterns: paths, with ``~`` for the home folder; shell patterns, including ``**``; folders, of which
            all text files are read except hidden ones.

    Raises:
        UsageError: a file is missing, unreadable or not text, or they are too many or too large.
    """
    texts: dict[str, str] = {}
    left = MOST_BYTES
    for pattern in patterns:
        found = 0
        for path, named in _found(pattern):
            text = texts.get(path) or _text(path, left, named=named)
            if text is None:
                continue
            found += 1
            if path not in texts:
                left -= len(text)
                texts[path] = text
            if len(texts) > MOST_FILES:
                raise UsageError(f"{pattern}: more than {MOST_FILES} files; name fewer")
        if not found:
            raise UsageError(f"{pattern}: no text file found")
    return [Attachment(path, text) for path, text in texts.items()]


def read_pictures(patterns: Sequence[str], stdin: IO[bytes] | None = None) -> list[Picture]:
    """Read pictures, all or none. Later changes to the files have no effect.

    Args:
        patterns: paths as in ``read_files``; folders and shell patterns give the files named like pictures.

    Raises:
        UsageError: a picture is missing or unreadable, or they are too many.
        DataError: a file is not a picture, damaged or too large.
    """
    found = []
    for pattern in patterns:
        if pattern == STDIN:
            if stdin is None:
                raise UsageError(f"{STDIN} reads a picture from a pipe, but nothing is piped in; name a file")
            contents = [("stdin", stdin.read(pictures.MOST_BYTES + 1))]
        else:
            paths = [path for path, named in _found(pattern) if named or is_picture_name(path)]
            if not paths:
                raise UsageError(f"{pattern}: no picture found")
            _check_count(len(paths))
            contents = [(path, _read(path, pictures.MOST_BYTES)) for path in paths]
        found += [_picture(path, data) for path, data in contents]
    return of_one_message(found)


def of_one_message(attached: Iterable[Picture]) -> list[Picture]:
    """The pictures of one message, each once whatever its name; raises UsageError if they are too many."""
    once = list({picture.sha256: picture for picture in attached}.values())
    _check_count(len(once))
    return once


def is_picture_name(path: str) -> bool:
    """Whether a file is probably a picture, judging by its name."""
    return Path(path).suffix.lower() in decoding.SUFFIXES


def enclose(attachments: Sequence[Attachment]) -> str:
    """The files as text of a message: for each a line with its name, then its content between fences.

    A fence is longer than any in the content, so that no content closes its own (CommonMark, 4.5).
    """
    return "\n\n".join(_enclosed(attachment) for attachment in attachments)


def require_vision(engine: Engine, pictures: Iterable[Picture]) -> None:
    """Raise ModelError if there are pictures and the model cannot see them."""
    names = list(dict.fromkeys(picture.name for picture in pictures))
    if names and (reason := no_vision_reason(engine)):
        raise ModelError(
            f"{engine.model.name} cannot see {listed(names, most=1)}: {reason}; "
            "choose a model that sees pictures (/model, -m) or name its projector (--mmproj)"
        )


def _enclosed(attachment: Attachment) -> str:
    longest = max((len(found) for found in _FENCES.findall(attachment.text)), default=2)
    fence = "`" * max(3, longest + 1)
    newline = "" if attachment.text.endswith("\n") else "\n"
    return f"File {attachment.name}:\n{fence}\n{attachment.text}{newline}{fence}"


def _found(pattern: str) -> Iterator[tuple[str, bool]]:
    """The paths that a pattern stands for, and whether each was named itself, so that it must be text."""
    expanded = os.path.expanduser(pattern)  # noqa: PTH111  (Path's raises for an unknown user)
    mode = _mode(expanded)
    if mode is not None and stat.S_ISDIR(mode):
        for at, folders, names in os.walk(expanded):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            inside = (str(Path(at, name)) for name in sorted(names) if not name.startswith("."))
            yield from ((path, False) for path in inside if stat.S_ISREG(_mode(path) or 0))
    elif mode is not None:
        yield expanded, True
    elif glob.has_magic(pattern):
        paths = sorted(glob.glob(expanded, recursive=True))  # noqa: PTH207  (it takes absolute patterns)
        yield from ((path, False) for path in paths if stat.S_ISREG(_mode(path) or 0))
    else:
        raise UsageError(f"no such file: {pattern}")


def _mode(path: str) -> int | None:
    """Kind and permissions of a file, or None if it cannot be examined."""
    try:
        return Path(path).stat().st_mode
    except (OSError, ValueError):  # ValueError: the path contains a NUL
        return None


def _check_count(count: int) -> None:
    if count > MOST_PICTURES:
        raise UsageError(f"a message takes at most {MOST_PICTURES} pictures, not {count}; name fewer")


def _picture(path: str, data: bytes) -> Picture:
    decoding.pixels(data, path)  # finds damage now rather than when the message is sent
    return Picture(hashlib.sha256(data).hexdigest(), Path(path).name, lambda: data)


def _text(path: str, most: int, *, named: bool) -> str | None:
    """The text of a file; None if it is not text and was not named itself."""
    data = _read(path, most)
    if len(data) > most:
        raise UsageError(f"with {path}, the files exceed {binary_size(MOST_BYTES)}; attach less")
    try:
        return _decoded(data)
    except ValueError as error:
        if not named:
            return None
        if is_picture_name(path):
            raise UsageError(f"{path} is a picture; attach it with /image, or with -i") from None
        raise UsageError(f"{path} is {error}; convert it first") from None


def _read(path: str, most: int) -> bytes:
    """The first ``most + 1`` bytes of a file; raises UsageError."""
    try:
        mode = Path(path).stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):  # <(command) gives a FIFO
            raise UsageError(f"{path} is not a file")
        with Path(path).open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _decoded(data: bytes) -> str:
    """Decode UTF-8, or UTF-16 after a byte order mark; raises ValueError if the bytes are not text."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("binary, or not UTF-8") from None
    if "\0" in text:
        raise ValueError("binary, not text")
    return text
