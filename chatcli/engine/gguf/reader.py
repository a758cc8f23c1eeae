"""Reads a GGUF header without trusting it: counts and lengths are held against what the file can contain."""

import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO

from chatcli.engine.gguf.foreign import ends_inside, what_it_is
from chatcli.engine.gguf.header import (
    SCALAR_FORMATS,
    Header,
    MetadataArray,
    TensorInfo,
    Value,
    ValueType,
    text,
)
from chatcli.errors import InvalidModel, ModelError, ModelNotFound
from chatcli.words import binary_size

MAX_HEADER = 256 << 20  # bytes; the largest real headers stay under 64 MiB
MAX_KEYS = 1 << 16
MAX_TENSORS = 1 << 17  # the most a real model has is 74,000
MAX_KEY_LENGTH = (1 << 16) - 1  # the format's own limit
MAX_TENSOR_NAME = 63  # llama.cpp refuses longer ones (GGML_MAX_NAME)
MAX_DIMENSIONS = 4
DEFAULT_ALIGNMENT = 32
_FIRST_READ = 1 << 20

_U32 = SCALAR_FORMATS[ValueType.UINT32]
_U64 = SCALAR_FORMATS[ValueType.UINT64]


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read the header of a GGUF file; of tensor data nothing is read.

    Args:
        path: the file; for a split model any one of its shards.

    Raises:
        ModelNotFound: there is no such file.
        InvalidModel: it is not a GGUF file, or its header is damaged, truncated or beyond the limits above.
        ModelError: the system does not let us read it.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            raise InvalidModel(
                f"{quote(path.name)}: it is {'a folder' if stat.S_ISDIR(mode) else 'not a file'}"
            )
        with path.open("rb") as file:
            return _Reader(path, file).header()
    except FileNotFoundError:
        raise ModelNotFound(f"no such file: {path}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"cannot read {path}: {reason}") from error


def quote(name: str, limit: int = 80) -> str:
    """Text from a file, fit for a one-line message: cut at ``limit``, anything unprintable escaped."""
    if len(name) > limit:
        name = name[: limit - 3] + "..."
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


class _Reader:
    """A cursor over the first bytes of a file; holds as much of the file as the header needs."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._buffer = bytearray()
        self._position = 0

    def header(self) -> Header:
        """Read everything up to the data section."""
        version, tensor_count, key_count = self._preamble()
        metadata, types = self._metadata(key_count)
        alignment = self._alignment(metadata, types)
        tensors = self._tensors(tensor_count)
        data_offset = -(-self._position // alignment) * alignment
        return Header(self._path, version, metadata, types, tensors, data_offset, self._size, alignment)

    def refuse(self, reason: str, advice: str = "") -> InvalidModel:
        """The error for this file."""
        return InvalidModel(f"{quote(self._path.name)}: {reason}", advice)

    def _preamble(self) -> tuple[int, int, int]:
        """Magic and version; returns version, number of tensors, number of keys."""
        self._buffer += self._file.read(_FIRST_READ)
        foreign, advice = what_it_is(bytes(self._buffer[:4096]), self._size)
        if foreign:
            raise self.refuse(foreign, advice)
        self._position = 4
        version: int = self._number(_U32)
        if version & 0xFFFF == 0 and version:
            raise self.refuse("it is a GGUF for big-endian machines; download the little-endian one")
        if version not in (2, 3):
            raise self.refuse(f"it is GGUF version {version}, and llama.cpp reads versions 2 and 3")
        tensors, keys = self._number(_U64), self._number(_U64)
        if tensors > MAX_TENSORS:
            raise self.refuse(f"it claims {tensors} tensors; more than {MAX_TENSORS} are senseless")
        if keys > MAX_KEYS:
            raise self.refuse(f"it claims {keys} metadata keys; more than {MAX_KEYS} are senseless")
        return version, tensors, keys

    def _metadata(self, count: int) -> tuple[dict[str, Value], dict[str, ValueType]]:
        values: dict[str, Value] = {}
        types: dict[str, ValueType] = {}
        for number in range(count):
            key = text(self._string(f"the name of key {number + 1}", MAX_KEY_LENGTH))
            if not key:
                raise self.refuse(f"metadata key {number + 1} has no name")
            if key in values:
                raise self.refuse(f"the key {quote(key)} occurs twice")
            types[key] = kind = self._type(key)
            values[key] = self._array(key) if kind == ValueType.ARRAY else self._scalar(key, kind)
        return values, types

    def _type(self, key: str) -> ValueType:
        number = self._number(_U32)
        try:
            return ValueType(number)
        except ValueError:
            raise self.refuse(f"the key {quote(key)} has the unknown type {number}") from None

    def _scalar(self, key: str, kind: ValueType) -> Value:
        if kind == ValueType.STRING:
            return text(self._string(quote(key), MAX_HEADER))
        value: Value = self._number(SCALAR_FORMATS[kind])
        return value

    def _array(self, key: str) -> MetadataArray:
        kind = self._type(key)
        count = self._number(_U64)
        if kind == ValueType.ARRAY:
            raise self.refuse(f"the key {quote(key)} is an array of arrays, which llama.cpp does not read")
        smallest = 8 if kind == ValueType.STRING else SCALAR_FORMATS[kind].size
        left = self._size - self._position
        if count * smallest > left:
            raise self.refuse(f"{quote(key)} claims {count} values, and the file has only {left} bytes left")
        start = self._position
        end = self._after_strings(count) if kind == ValueType.STRING else start + count * smallest
        self._fill(end)
        self._position = end
        return MetadataArray(kind, count, bytes(self._buffer[start:end]))

    def _after_strings(self, count: int) -> int:
        """Where ``count`` strings from here end; with large vocabularies half a million turns of the loop."""
        position = self._position
        length_at = _U64.unpack_from
        while count:
            try:
                (length,) = length_at(self._buffer, position)
            except (struct.error, OverflowError):  # the buffer ends here; more of the file is needed
                self._fill(position + 8)
                continue
            position += 8 + length
            count -= 1
        return position

    def _alignment(self, metadata: dict[str, Value], types: dict[str, ValueType]) -> int:
        alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        kind = types.get("general.alignment", ValueType.UINT32)
        if kind != ValueType.UINT32 or not isinstance(alignment, int) or alignment.bit_count() != 1:
            raise self.refuse("general.alignment is not a power of 2")
        return alignment

    def _tensors(self, count: int) -> tuple[TensorInfo, ...]:
        tensors: dict[str, TensorInfo] = {}
        for number in range(count):
            raw = self._string(f"the name of tensor {number + 1}", MAX_TENSOR_NAME)
            name = text(raw)
            if name in tensors:
                raise self.refuse(f"the tensor {quote(name)} occurs twice")
            dimensions = self._number(_U32)
            if dimensions > MAX_DIMENSIONS:
                raise self.refuse(
                    f"the tensor {quote(name)} has {dimensions} dimensions; llama.cpp knows up to 4"
                )
            shape = tuple(self._number(_U64) for _ in range(dimensions))
            kind = self._number(_U32)
            tensors[name] = TensorInfo(name, shape, kind, self._number(_U64))
        return tuple(tensors.values())

    def _string(self, what: str, limit: int) -> bytes:
        length = self._number(_U64)
        left = self._size - self._position
        if length > limit:
            raise self.refuse(f"{what} claims to be {length} bytes long; more than {limit} are senseless")
        if length > left:
            raise self.refuse(
                f"{what} claims to be {length} bytes long, and the file has only {left} bytes left"
            )
        start = self._position
        self._fill(start + length)
        self._position = start + length
        return bytes(self._buffer[start : self._position])

    def _number(self, layout: struct.Struct) -> int:
        self._fill(self._position + layout.size)
        (value,) = layout.unpack_from(self._buffer, self._position)
        self._position += layout.size
        return value  # type: ignore[no-any-return]

    def _fill(self, end: int) -> None:
        """Have the file's bytes up to ``end`` in the buffer."""
        if end <= len(self._buffer):
            return
        if end > self._size:
            raise self.refuse(*ends_inside(self._size))
        if end > MAX_HEADER:
            raise self.refuse(f"its header is longer than {binary_size(MAX_HEADER)}, which is senseless")
        wanted = max(end, min(2 * len(self._buffer), MAX_HEADER)) - len(self._buffer)
        self._buffer += self._file.read(wanted)
        if end > len(self._buffer):  # the file was shortened meanwhile
            raise self.refuse(f"the file ends inside its header, at byte {len(self._buffer)}")
