"""What was typed at the prompt, kept across sessions: one JSON string a line, the newest last."""

import contextlib
import json
from pathlib import Path

from chatcli.errors import StorageError
from chatcli.files.append import AppendFile
from chatcli.files.disk import FILE_MODE, read_regular, storage_error
from chatcli.files.replace import atomic_write

#: Longer texts (a pasted file) are not kept.
LONGEST = 32_768
_LARGEST_FILE = 4 * 2**20


class InputHistory:
    """The history file. It is made private. Several processes may add to it.

    Args:
        path: the file; appears with the first entry.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._private = False

    def load(self) -> list[str]:
        """All entries, oldest first. Damaged lines are passed over. A file that grew large is halved.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            data = read_regular(self._path)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise storage_error("read", self._path, error) from error
        lines = data.split(b"\n")
        if len(data) > _LARGEST_FILE:
            lines = data[-_LARGEST_FILE // 2 :].split(b"\n")[1:]
            with contextlib.suppress(StorageError):  # the disk is full or read-only: another time
                atomic_write(self._path, b"\n".join(lines))
        return [entry for line in lines if isinstance(entry := _entry(line), str)]

    def add(self, text: str) -> None:
        """Add an entry, unless it is too long to be typed again.

        Raises:
            StorageError: it could not be written.
        """
        if len(text) > LONGEST:
            return
        try:
            if not self._private:  # an older one may be readable by others
                self._path.chmod(FILE_MODE)
        except FileNotFoundError:
            pass  # AppendFile makes it private
        except OSError as error:
            raise storage_error("protect", self._path, error) from error
        self._private = True
        AppendFile(self._path).append(json.dumps(text).encode() + b"\n")


def _entry(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
