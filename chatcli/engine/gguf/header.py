"""What a GGUF header says, as values: typed metadata, tensors, and what people ask about a model."""

import glob
import re
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from math import prod
from pathlib import Path
from typing import NamedTuple

from chatcli.engine.gguf.formats import FILE_TYPES, TENSOR_FORMATS

_GUESSED_FILE_TYPE = 1024  # LLAMA_FTYPE_GUESSED: a flag in general.file_type
_SHARD_NAME = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$", re.DOTALL)


class ValueType(IntEnum):
    """Type of a metadata value, by its number in the file."""

    UINT8 = 0
    INT8 = 1
    UINT16 = 2
    INT16 = 3
    UINT32 = 4
    INT32 = 5
    FLOAT32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    UINT64 = 10
    INT64 = 11
    FLOAT64 = 12


SCALAR_FORMATS: Mapping[int, struct.Struct] = {
    ValueType.UINT8: struct.Struct("<B"),
    ValueType.INT8: struct.Struct("<b"),
    ValueType.UINT16: struct.Struct("<H"),
    ValueType.INT16: struct.Struct("<h"),
    ValueType.UINT32: struct.Struct("<I"),
    ValueType.INT32: struct.Struct("<i"),
    ValueType.FLOAT32: struct.Struct("<f"),
    ValueType.BOOL: struct.Struct("<?"),
    ValueType.UINT64: struct.Struct("<Q"),
    ValueType.INT64: struct.Struct("<q"),
    ValueType.FLOAT64: struct.Struct("<d"),
}

Scalar = bool | int | float | str


def text(raw: bytes) -> str:
    """A string of the file. Its bytes may be anything: what is not UTF-8 shows as ``\\xNN``."""
    return raw.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class MetadataArray:
    """An array of the metadata, kept as its bytes and decoded when iterated: some have 500,000 entries.

    Attributes:
        type: of the elements; never ``ARRAY``.
        count: how many.
        raw: the elements as stored.
    """

    type: ValueType
    count: int
    raw: bytes

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Scalar]:
        if self.type == ValueType.STRING:
            for piece in self.strings():
                yield text(piece)
        else:
            for (value,) in SCALAR_FORMATS[self.type].iter_unpack(self.raw):
                yield value

    def strings(self) -> Iterator[bytes]:
        """The strings as bytes; nothing when the elements are not strings."""
        if self.type != ValueType.STRING:
            return
        raw, position = self.raw, 0
        length_at = SCALAR_FORMATS[ValueType.UINT64].unpack_from
        for _ in range(self.count):
            start = position + 8
            position = start + length_at(raw, position)[0]
            yield raw[start:position]


Value = Scalar | MetadataArray


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Description of one tensor.

    Attributes:
        name: as in the file.
        shape: elements per dimension, fastest first (a weight is inputs x outputs).
        type: number of its format; see ``formats.TENSOR_FORMATS``.
        offset: bytes from the start of the data section.
    """

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def format_name(self) -> str:
        """Name of its format, or ``type N`` for one that is not known."""
        known = TENSOR_FORMATS.get(self.type)
        return known.name if known else f"type {self.type}"

    @property
    def size(self) -> int:
        """Bytes of its data; 0 when the format is not known."""
        known = TENSOR_FORMATS.get(self.type)
        return self.elements // known.block * known.size if known else 0


class ShardInfo(NamedTuple):
    """Place of a file in a model that is split over several.

    Attributes:
        number: 0-based.
        of: how many files there are.
    """

    number: int
    of: int


@dataclass(frozen=True, slots=True)
class Header:
    """The header of one GGUF file.

    Attributes:
        path: the file.
        version: of the format, 2 or 3.
        metadata: values by key, in the file's order.
        types: their types.
        tensors: in the file's order.
        data_offset: byte at which tensor data starts.
        file_size: bytes of the file.
        alignment: every tensor starts at a multiple of it, counted from ``data_offset``.
    """

    path: Path
    version: int
    metadata: Mapping[str, Value]
    types: Mapping[str, ValueType]
    tensors: tuple[TensorInfo, ...]
    data_offset: int
    file_size: int
    alignment: int

    def integer(self, key: str) -> int | None:
        """The value of ``key`` if it is a whole number."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def string(self, key: str) -> str | None:
        """The value of ``key`` if it is a string."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def array(self, key: str) -> MetadataArray | None:
        """The value of ``key`` if it is an array."""
        value = self.metadata.get(key)
        return value if isinstance(value, MetadataArray) else None

    @property
    def architecture(self) -> str:
        """As llama.cpp names it (``llama``, ``qwen3``); '' when missing."""
        return self.string("general.architecture") or ""

    @property
    def name(self) -> str:
        """The model's own name, else the file's without its ending."""
        return self.string("general.name") or self.path.stem

    @property
    def context_length(self) -> int:
        """Tokens of context the model was trained for; 0 when missing."""
        return self.integer(f"{self.architecture}.context_length") or 0

    @property
    def chat_template(self) -> str | None:
        """The default chat template's Jinja text; None for a base model."""
        return self.string("tokenizer.chat_template")

    @property
    def split(self) -> ShardInfo | None:
        """Place in a split model; None for a model in one file."""
        count = self.integer("split.count") or 0
        return ShardInfo(self.integer("split.no") or 0, count) if count > 1 else None

    @property
    def parameters(self) -> int:
        """Weights in this file. For a split model add up ``read_shards(header)``."""
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def quantization(self) -> str:
        """Label such as ``Q4_K_M``: the file's own, else the format that holds most of the weights."""
        declared = self.integer("general.file_type")
        if declared is not None and declared & ~_GUESSED_FILE_TYPE in FILE_TYPES:
            return FILE_TYPES[declared & ~_GUESSED_FILE_TYPE]
        weights: Counter[str] = Counter()
        for tensor in self.tensors:
            weights[tensor.format_name] += tensor.elements
        return weights.most_common(1)[0][0] if weights else ""

    def shard_path(self, index: int) -> Path:
        """Where llama.cpp looks for shard ``index`` (0-based) of this split model."""
        named = _SHARD_NAME.match(self.path.name)
        count = self.split.of if self.split else 1
        stem = named["stem"] if named else self.path.stem
        return self.path.with_name(f"{stem}-{index + 1:05d}-of-{count:05d}.gguf")

    def describe(self) -> str:
        """One line for people: ``llama 1.2B Q4_K_M, context 131072``."""
        parts = [self.architecture or "unknown architecture"]
        if self.tensors:
            parts.append(count_label(self.parameters))
        if self.quantization:
            parts.append(self.quantization)
        line = " ".join(parts)
        return f"{line}, context {self.context_length}" if self.context_length else line


def count_label(count: int) -> str:
    """A number of parameters as people write it: ``5.1M``, ``1.2B``, ``70B``."""
    for unit, name in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= unit:
            scaled = count / unit
            return f"{scaled:.1f}{name}" if scaled < 10 else f"{scaled:.0f}{name}"
    return str(count)


def split_files(path: Path) -> list[Path]:
    """The files of a model that are there, judged by their names alone: shards that belong to this one, else
    the file itself."""
    named = _SHARD_NAME.match(path.name)
    if named is None:
        return [path]
    shards = path.parent.glob(f"{glob.escape(named['stem'])}-?????-of-{named['count']}.gguf")
    return sorted(shards) or [path]
