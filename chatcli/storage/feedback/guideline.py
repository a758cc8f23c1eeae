"""The labelling instructions on disk: the text in force, and every text a judgement was ever made by."""

from contextlib import suppress
from pathlib import Path

from chatcli.errors import StorageError
from chatcli.feedback.guideline import DEFAULT, short, version_of
from chatcli.files.disk import read_regular, storage_error
from chatcli.files.replace import atomic_write


class GuidelineFile:
    """The labelling instructions.

    Args:
        path: the text; while there is none, ``guideline.DEFAULT`` is in force.
        former: folder of the texts by version, so that a record can be understood years later.
    """

    def __init__(self, path: Path, former: Path) -> None:
        self.path = path
        self._former = former

    def read(self) -> str:
        """The text in force.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            return read_regular(self.path).decode("utf-8", "replace").removeprefix("\ufeff")
        except FileNotFoundError:
            return DEFAULT
        except OSError as error:
            raise storage_error("read", self.path, error) from error

    def write(self, text: str) -> None:
        """Put another text in force.

        Raises:
            StorageError: it cannot be written; the former one stays.
        """
        atomic_write(self.path, text.rstrip().encode("utf-8", "replace") + b"\n")

    def version(self) -> str | None:
        """The version in force, whose text is kept; None: it cannot be read. Judging never fails on it."""
        try:
            text = self.read()
        except StorageError:
            return None
        version = version_of(text)
        copy = self._former / f"{short(version)}.md"
        if not copy.exists():
            with suppress(StorageError):  # the next judgement tries again
                atomic_write(copy, text.encode("utf-8", "replace"))
        return version
