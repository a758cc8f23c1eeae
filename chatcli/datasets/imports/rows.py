"""The rows of a file of another program (JSON lines, a JSON array, or Parquet), and values in a row."""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from chatcli.errors import DataError, UsageError
from chatcli.feedback.answers import PromptMessage
from chatcli.files.disk import storage_error
from chatcli.files.record_log import LONGEST_LINE
from chatcli.words import binary_size

#: Size limit of a JSON array, in bytes: it is held in memory.
MOST_BYTES = 512 * 2**20
_BOM = b"\xef\xbb\xbf"


def foreign_rows(file: str) -> Iterator[tuple[int, Any]]:
    """The rows, each with its line number or, in an array or a table, its number, from 1.

    A line that is not JSON gives a ValueError in the place of a row.

    Raises:
        DataError: the file is damaged.
        UsageError: there is no such file, or pyarrow is not installed.
        StorageError: the file cannot be read.
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
        raise UsageError(f"no file {file}") from None
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
            row = ValueError(f"not JSON: {error}")
        yield number, row


def _array(data: bytes, file: str) -> list[Any]:
    if len(data) >= MOST_BYTES:
        raise DataError(f"{file}: array of more than {binary_size(MOST_BYTES)}; convert it to JSON lines")
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not a JSON array: {error}") from None
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


class Unusable(ValueError):
    """The row does not fit its format, or has nothing to keep."""


def message_in(value: Any) -> PromptMessage:
    """The message in a value.

    Raises:
        Unusable: it is not a message.
    """
    if not isinstance(value, dict):
        raise Unusable("a message must be an object with role and content")
    role, content = value.get("role"), value.get("content")
    if not isinstance(role, str) or not isinstance(content, str):
        raise Unusable("role and content of a message must be text")
    reasoning = value.get("reasoning_content")
    return PromptMessage(
        role=role, content=content, reasoning=reasoning if isinstance(reasoning, str) else None
    )


def list_of(row: Mapping[str, Any], name: str) -> list[Any]:
    """The list in a field of a row.

    Raises:
        Unusable: it is not a list, or it is empty.
    """
    value = row.get(name)
    if not isinstance(value, list) or not value:
        raise Unusable(f"{name} must be a list")
    return value


def text_of(row: Mapping[str, Any], name: str) -> str | None:
    """The text in a field of a row, or None if it is missing or empty."""
    value = row.get(name)
    return value if isinstance(value, str) and value else None


def part_of(row: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The object in nested fields; empty if it is missing."""
    value: Any = row
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def time_of(value: Any) -> datetime | None:
    """The time of a Unix time stamp, or None if it is not one before the year 10000."""
    if isinstance(value, (int, float)) and 0 < value < 253402300800:
        return datetime.fromtimestamp(value, UTC)
    return None
