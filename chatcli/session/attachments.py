"""Files that go into a message: texts, each named and fenced so that the model can tell them from the words,
and pictures."""

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
from chatcli.errors import UsageError
from chatcli.words import binary_size

#: Limits of what one message takes from files.
MOST_FILES = 200
MOST_BYTES = 4 * 2**20
MOST_PICTURES = 16
#: The picture that comes through standard input.
STDIN = "-"
_FENCES = re.compile(r"^ {0,3}(`{3,})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A text file.

    Attributes:
        name: as it is shown to the model: the path that was given.
        text: its content.
    """

    name: str
    text: str


def read_files(patterns: Sequence[str]) -> list[Attachment]:
    """Read files, all or none.

    Args:
        patterns: paths, with ``~`` for the home; shell patterns, ``**`` included; folders, of which all
            text files are taken but hidden ones.

    Raises:
        UsageError: something is missing, unreadable, no text, or too much.
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
                raise UsageError(f"{pattern}: these are more than {MOST_FILES} files; name fewer")
        if not found:
            raise UsageError(f"{pattern}: there is no text file")
    return [Attachment(path, text) for path, text in texts.items()]


def read_pictures(patterns: Sequence[str], stdin: IO[bytes] | None = None) -> list[Picture]:
    """Read pictures, all or none. What they hold now is what is shown, whatever becomes of the files.

    Args:
        patterns: paths as for ``read_files``; of folders and shell patterns the files named like pictures
            are taken.
        stdin: where ``-`` is read from; None: nowhere.

    Raises:
        UsageError: something is missing, unreadable or too much.
        DataError: one is no picture, damaged or too large.
    """
    found = []
    for pattern in patterns:
        if pattern == STDIN:
            if stdin is None:
                raise UsageError(f"{STDIN} is a picture that is piped in, and nothing is; name a file")
            contents = [("stdin", stdin.read(pictures.MOST_BYTES + 1))]
        else:
            paths = [path for path, named in _found(pattern) if named or is_picture_name(path)]
            if not paths:
                raise UsageError(f"{pattern}: there is no picture")
            _check_count(len(paths))
            contents = [(path, _read(path, pictures.MOST_BYTES)) for path in paths]
        found += [_picture(path, data) for path, data in contents]
    return of_one_message(found)


def of_one_message(attached: Iterable[Picture]) -> list[Picture]:
    """Some pictures as a message shows them: each once, whatever it is called.

    Raises:
        UsageError: they are too many.
    """
    once = list({picture.sha256: picture for picture in attached}.values())
    _check_count(len(once))
    return once


def is_picture_name(path: str) -> bool:
    """Whether a file is probably a picture, by its name."""
    return Path(path).suffix.lower() in decoding.SUFFIXES


def enclose(attachments: Sequence[Attachment]) -> str:
    """The files as they stand in a message: a line with the name, the content between fences.

    A fence is longer than any in the content, so that no content ends its own (CommonMark, 4.5).
    """
    return "\n\n".join(_enclosed(attachment) for attachment in attachments)


def _enclosed(attachment: Attachment) -> str:
    longest = max((len(found) for found in _FENCES.findall(attachment.text)), default=2)
    fence = "`" * max(3, longest + 1)
    newline = "" if attachment.text.endswith("\n") else "\n"
    return f"File {attachment.name}:\n{fence}\n{attachment.text}{newline}{fence}"


def _found(pattern: str) -> Iterator[tuple[str, bool]]:
    """Paths of files, and whether each was named itself, so that it has to be text."""
    mode = _mode(expanded := _at_home(pattern))
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
        raise UsageError(f"there is no file {pattern}")


def _at_home(pattern: str) -> str:
    return os.path.expanduser(pattern)  # noqa: PTH111  (Path's raises for an unknown user)


def _mode(path: str) -> int | None:
    """Kind and permissions of a file; None if there is none that could be looked at."""
    try:
        return Path(path).stat().st_mode
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None


def _check_count(count: int) -> None:
    if count > MOST_PICTURES:
        raise UsageError(f"a message shows at most {MOST_PICTURES} pictures, not {count}; name fewer")


def _picture(path: str, data: bytes) -> Picture:
    """A picture of a file's bytes, unpacked once, so that damage is told now and not when it is sent.

    Raises:
        DataError: it is none, damaged or too large.
    """
    decoding.pixels(data, path)
    return Picture(hashlib.sha256(data).hexdigest(), Path(path).name, lambda: data)


def _text(path: str, most: int, *, named: bool) -> str | None:
    """The text of a file; None if it is none and was not named itself."""
    data = _read(path, most)
    if len(data) > most:
        raise UsageError(f"{path} makes it more than {binary_size(MOST_BYTES)}; attach less")
    try:
        return _decoded(data)
    except ValueError as error:
        if not named:
            return None
        if is_picture_name(path):
            raise UsageError(f"{path} is a picture; /image attaches it, -i on the command line") from None
        raise UsageError(f"{path} is {error}; convert it first") from None


def _read(path: str, most: int) -> bytes:
    """The bytes of a file; more than ``most``, but not all, where it has more.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        mode = Path(path).stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):  # a FIFO is what <(command) gives
            raise UsageError(f"{path} is not a file")
        with Path(path).open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _decoded(data: bytes) -> str:
    """The text of a file's bytes: UTF-8, or UTF-16 if a byte order mark says so.

    Raises:
        ValueError: they are no text.
    """
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("binary, or not in UTF-8") from None
    if "\0" in text:
        raise ValueError("binary, not text")
    return text
