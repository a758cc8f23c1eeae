"""A small JSON file of what can be found out again: a damaged one is an empty one, replaced in one step."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TypeVar

import msgspec

Content = TypeVar("Content", bound=msgspec.Struct)


def read_cache(path: Path, kind: type[Content]) -> Content:
    """The file's content; an empty ``kind`` where the file is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, ValueError):
        return kind()


def write_cache(path: Path, content: msgspec.Struct) -> None:
    """Replace the file; ``mkstemp`` makes it readable for its owner only. A read-only home is no error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(content))
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
