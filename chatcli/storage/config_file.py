"""Changes one setting in config.toml and leaves everything else, comments too, as the user wrote it."""

import json
import re
import tomllib
from pathlib import Path

from chatcli.errors import DataError
from chatcli.files.replace import update


def set_value(path: Path, name: str, value: str) -> None:
    """Set a setting that is text.

    Args:
        path: config.toml; a missing one is made.
        name: of the setting, a key of the file's top level.

    Raises:
        DataError: the file is no TOML, or the change cannot be made safely; it is as before.
        StorageError: it could not be written.
    """
    update(path, lambda content: with_value(content, name, value, str(path)))


def with_value(content: bytes, name: str, value: str, where: str) -> bytes:
    """The content with one setting changed or added.

    Args:
        where: the file, for the message.

    Raises:
        DataError: as ``set_value``.
    """
    try:
        text = content.decode("utf-8")
        before = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{where} is not valid TOML: {error}") from None
    quoted = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # which TOML forbids as it is
    line = f"{name} = {quoted}"
    tables = re.search(r"(?m)^[ \t]*\[", text)
    end = tables.start() if tables else len(text)
    top, rest = text[:end], text[end:]
    pattern = rf"(?m)^[ \t]*{re.escape(name)}[ \t]*=.*$"
    if name in before:
        changed, count = re.subn(pattern, lambda _: line, top)
    else:
        gap = "" if not top or top.endswith("\n") else "\n"
        changed, count = f"{top}{gap}{line}\n", 1
        if rest:
            changed += "\n"
    try:
        after = tomllib.loads(changed + rest)
    except tomllib.TOMLDecodeError:
        after = {}
    if count != 1 or after != {**before, name: value}:
        raise DataError(f"{where} is written in a way that cannot be changed safely; set {line} by hand")
    return (changed + rest).encode()
