"""Datasets on disk: data files, a card and a manifest in one folder. Each file appears whole or not at all.

The manifest is written last: if it exists, everything that it names exists.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import msgspec

from chatcli.datasets.card import DataFileFacts
from chatcli.errors import ChatcliError, DataError, UsageError
from chatcli.files.disk import read_regular, remove_file
from chatcli.files.replace import atomic_write

MANIFEST, CARD = "manifest.json", "README.md"
_BATCH = 2**18  # bytes of text in one write
_ROWS = 1024  # rows of a table in one write


class Sink(Protocol):
    """Writes rows to a stream."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row."""

    def close(self) -> None:
        """Write the rest; the stream stays open."""


class LinesFile:
    """JSON lines."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting = bytearray()
        self._encoder = msgspec.json.Encoder()

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row."""
        self._waiting += self._encoder.encode(row)
        self._waiting += b"\n"
        if len(self._waiting) > _BATCH:
            self.close()

    def close(self) -> None:
        """Write the rest."""
        self._stream.write(self._waiting)
        self._waiting = bytearray()


class ArrayFile:
    """One JSON array, one row per line."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._before = b"[\n"

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row."""
        self._stream.write(self._before + msgspec.json.encode(row))
        self._before = b",\n"

    def close(self) -> None:
        """End the array."""
        self._stream.write(b"[]\n" if self._before == b"[\n" else b"\n]\n")


class ParquetFile:
    """A Parquet file.

    Args:
        example: a row with all columns; its values give the types.

    Raises:
        UsageError: pyarrow is not installed.
    """

    def __init__(self, stream: BinaryIO, example: Mapping[str, Any]) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise UsageError(
                "Parquet needs pyarrow: pip install 'chatcli[parquet]', or export JSONL"
            ) from None
        self._arrow = pyarrow
        self._schema = pyarrow.Table.from_pylist([example]).schema
        self._writer = pyarrow.parquet.ParquetWriter(stream, self._schema, compression="zstd")
        self._rows: list[Mapping[str, Any]] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row."""
        self._rows.append(row)
        if len(self._rows) == _ROWS:
            self._flush()

    def close(self) -> None:
        """Write the rest and the end of the table."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


class DataFile:
    """A data file that is being written.

    Args:
        path: the file to write; it is closed by ``finish``.
        split: the split of its rows.
        kind: makes a sink for a stream.
    """

    def __init__(self, path: Path, split: str, kind: Callable[[BinaryIO], Sink]) -> None:
        self._split = split
        self._rows = 0
        self.stream = path.open("w+b")
        self._sink = kind(self.stream)

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row."""
        self._sink.add(row)
        self._rows += 1

    def finish(self, name: str) -> DataFileFacts:
        """Write the rest, wait for the disk, and close the file, which will have this name."""
        with self.stream as stream:
            self._sink.close()
            stream.flush()
            os.fsync(stream.fileno())
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return DataFileFacts(name, self._split, self._rows, stream.tell(), digest)


def check_room(folder: Path, *, force: bool) -> None:
    """Refuse to write a dataset over anything else.

    Raises:
        UsageError: the folder is not empty, and ``force`` is not set or it holds no dataset of ours.
    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file; choose another --out")
    if not any(folder.iterdir()):
        return
    if not force:
        raise UsageError(f"{folder} already exists; choose another --out or pass --force")
    _named_in(folder / MANIFEST)


def clear_dataset(folder: Path) -> None:
    """Remove the files that the manifest of a folder names, the manifest first, and no others.

    Raises:
        StorageError: a file cannot be removed.
    """
    manifest = folder / MANIFEST
    if not manifest.exists():
        return
    names = _named_in(manifest)
    remove_file(manifest)
    for name in names:
        remove_file(folder / name)


def finish_dataset(folder: Path, manifest: Mapping[str, Any], others: Mapping[str, bytes]) -> None:
    """Write the files that accompany the data; the manifest last.

    Args:
        manifest: contents of the manifest.
        others: further files by name.

    Raises:
        StorageError: a file cannot be written.
    """
    for name, content in others.items():
        atomic_write(folder / name, content)
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    atomic_write(folder / MANIFEST, encoded + b"\n")


def _named_in(manifest: Path) -> list[str]:
    """The files that a manifest names; none is outside its folder."""
    try:
        told = msgspec.json.decode(read_regular(manifest))
        names = [str(file["name"]) for file in told["files"]] + [str(name) for name in told["other_files"]]
    except FileNotFoundError:
        raise UsageError(
            f"{manifest.parent} holds no dataset of chatcli, so --force does not replace it"
        ) from None
    except (OSError, ValueError, TypeError, KeyError, ChatcliError) as error:
        raise DataError(f"{manifest}: not the manifest of a dataset: {error}") from None
    return [name for name in names if Path(name).name == name and name not in {".", ".."}]
