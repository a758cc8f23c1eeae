"""The rows of a foreign file: JSON lines or a JSON array, also compressed, or Parquet."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from chatcli.errors import DataError, UsageError
from chatcli.files.disk import storage_error
from chatcli.files.record_log import LONGEST_LINE
from chatcli.words import binary_size

#: Largest JSON array that is read, in bytes: it is held in memory whole.
MOST_BYTES = 512 * 2**20
_BOM = b"\xef\xbb\xbf"


def foreign_rows(file: str) -> Iterator[tuple[int, Any]]:
    """The rows, each with its line or, in an array or a table, its number, from 1.

    In the place of a line that is no JSON stands a ValueError.

    Raises:
        DataError: the file is not what its beginning says.
        UsageError: there is no such file, or Parquet cannot be read here.
        StorageError: it cannot be read.
    """
    path = Path(file)
    try:
        with path.open("rb") as raw:
            begin = raw.read(4)
        if begin == b"PAR1":
            yield from enumerate(_table(path), start=1)
            return
        with gzip.open(path) if begin[:2] == b"\x1f\x8b" else path.open("rb") as stream:
            yield from _json(stream, file)  # type: ignore[arg-type]  # a GzipFile reads bytes too
    except FileNotFoundError:
        raise UsageError(f"there is no file {file}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{file} is damaged: {error}") from None
    except OSError as error:
        raise storage_error("read", path, error) from error


def _json(stream: IO[bytes], file: str) -> Iterator[tuple[int, Any]]:
    number = rows = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        text = line.removeprefix(_BOM) if number == 1 else line
        if not text.strip():
            continue
        rows += 1
        if rows == 1 and text.lstrip()[:1] == b"[":
            yield from enumerate(_array(text + stream.read(MOST_BYTES), file), start=1)
            return
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            row = ValueError(f"no JSON: {error}")
        yield number, row


def _array(data: bytes, file: str) -> list[Any]:
    if len(data) >= MOST_BYTES:
        raise DataError(f"{file} is an array of more than {binary_size(MOST_BYTES)}; make it JSON lines")
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is no JSON array: {error}") from None
    assert isinstance(rows, list)
    return rows


def _table(path: Path) -> Iterator[Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            "Parquet needs pyarrow: pip install 'chatcli[parquet]', or convert it to JSON lines"
        ) from None
    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} is damaged: {error}") from None
