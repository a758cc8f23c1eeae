"""Writes GGUF files for tests: well-formed ones, and any that are wrong in a chosen place.

Nothing is checked here, and everything may be set: that is the point.
"""

import random
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_LAYOUTS = {
    U8: "B",
    I8: "b",
    U16: "H",
    I16: "h",
    U32: "I",
    I32: "i",
    F32: "f",
    BOOL: "B",
    U64: "Q",
    I64: "q",
    F64: "d",
}
FLOATS, Q8_0 = 0, 8  # tensor formats


def text(value: str | bytes) -> bytes:
    """A string as stored."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


@dataclass(frozen=True)
class Key:
    """One metadata key. ``value``: a scalar, bytes to be stored as they are, or (element type, elements)."""

    name: str | bytes
    type: int
    value: Any

    def encode(self) -> bytes:
        """The key as stored."""
        return text(self.name) + struct.pack("<I", self.type) + self._value()

    def _value(self) -> bytes:
        if isinstance(self.value, bytes):
            return self.value
        if self.type == STRING:
            return text(self.value)
        if self.type == ARRAY:
            kind, items = self.value
            body = b"".join(map(text, items)) if kind == STRING else _numbers(kind, items)
            return struct.pack("<IQ", kind, len(items)) + body
        return _numbers(self.type, [self.value])


def _numbers(kind: int, items: Sequence[Any]) -> bytes:
    return struct.pack(f"<{len(items)}{_LAYOUTS[kind]}", *items)


@dataclass(frozen=True)
class Tensor:
    """One tensor. ``offset`` None: where it belongs."""

    name: str
    shape: tuple[int, ...]
    data: bytes
    type: int = FLOATS
    offset: int | None = None

    def encode(self, offset: int) -> bytes:
        """Its description as stored."""
        place = offset if self.offset is None else self.offset
        return (
            text(self.name)
            + struct.pack(f"<I{len(self.shape)}Q", len(self.shape), *self.shape)
            + struct.pack("<IQ", self.type, place)
        )


@dataclass(frozen=True)
class File:
    """A GGUF file to be."""

    keys: tuple[Key, ...]
    tensors: tuple[Tensor, ...] = ()
    magic: bytes = b"GGUF"
    version: int = 3
    alignment: int = 32
    counts: tuple[int, int] | None = field(default=None)  # tensors, keys; None: the true ones

    def header(self) -> bytes:
        """Everything before the data, unpadded."""
        counts = self.counts or (len(self.tensors), len(self.keys))
        parts = [self.magic, struct.pack("<IQQ", self.version, *counts)]
        parts += [key.encode() for key in self.keys]
        offset = 0
        for tensor in self.tensors:
            parts.append(tensor.encode(offset))
            offset += _padded(len(tensor.data), self.alignment)
        return b"".join(parts)

    def encode(self) -> bytes:
        """The whole file."""
        parts = [_pad(self.header(), self.alignment)]
        parts += [_pad(tensor.data, self.alignment) for tensor in self.tensors]
        return b"".join(parts)

    def write(self, path: Path) -> Path:
        """Write it and say where."""
        path.write_bytes(self.encode())
        return path

    def get(self, name: str) -> Key:
        """One key."""
        return next(key for key in self.keys if key.name == name)

    def with_key(self, name: str, kind: int, value: Any) -> "File":
        """The same file with one key replaced or added."""
        new = Key(name, kind, value)
        keys = [new if key.name == name else key for key in self.keys]
        return replace(self, keys=tuple(keys if new in keys else [*keys, new]))

    def without_key(self, name: str) -> "File":
        """The same file without one key."""
        return replace(self, keys=tuple(key for key in self.keys if key.name != name))

    def with_tensor(self, which: str, /, **changes: Any) -> "File":
        """The same file with one tensor changed."""
        return replace(
            self, tensors=tuple(replace(t, **changes) if t.name == which else t for t in self.tensors)
        )

    def without_tensor(self, name: str) -> "File":
        """The same file without one tensor."""
        return replace(self, tensors=tuple(t for t in self.tensors if t.name != name))


def _padded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def _pad(data: bytes, alignment: int) -> bytes:
    return data + bytes(_padded(len(data), alignment) - len(data))


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-ins for the 256 byte values."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def _quantized(numbers: random.Random, elements: int) -> bytes:
    """Q8_0 blocks of small random weights: a half-precision scale and 32 signed bytes each."""
    scale = struct.pack("<e", 0.001)
    return b"".join(scale + numbers.randbytes(32) for _ in range(elements // 32))


_TEMPLATE = "{% for m in messages %}<user>{{ m.content }}</user>{% endfor %}"


def tiny_model(architecture: str = "llama", blocks: int = 2) -> File:
    """A complete model that llama.cpp computes with: 64 wide, a token a byte, quantized to Q8_0."""
    words = [*byte_alphabet(), "th", "<user>", "</user>", "<end>"]
    words += [f"filler{i}" for i in range(288 - len(words))]
    types = [1] * 257 + [3] * 3 + [1] * (len(words) - 260)
    prefix = architecture + "."
    keys = (
        Key("general.architecture", STRING, architecture),
        Key("general.name", STRING, "Tiny test model"),
        Key("general.file_type", U32, 7),
        Key(prefix + "context_length", U32, 512),
        Key(prefix + "embedding_length", U32, 64),
        Key(prefix + "block_count", U32, blocks),
        Key(prefix + "feed_forward_length", U32, 96),
        Key(prefix + "attention.head_count", U32, 4),
        Key(prefix + "attention.head_count_kv", U32, 2),
        Key(prefix + "attention.layer_norm_rms_epsilon", F32, 1e-5),
        Key(prefix + "rope.freq_base", F32, 10000.0),
        Key(prefix + "rope.dimension_count", U32, 16),
        Key(prefix + "rope.scaling.type", STRING, "linear"),
        Key(prefix + "rope.scaling.factor", F32, 2.0),
        Key(prefix + "vocab_size", U32, len(words)),
        Key("tokenizer.ggml.model", STRING, "gpt2"),
        Key("tokenizer.ggml.pre", STRING, "gpt-2"),
        Key("tokenizer.ggml.tokens", ARRAY, (STRING, words)),
        Key("tokenizer.ggml.token_type", ARRAY, (I32, types)),
        Key("tokenizer.ggml.scores", ARRAY, (F32, [0.0] * len(words))),
        Key("tokenizer.ggml.merges", ARRAY, (STRING, ["t h"])),
        Key("tokenizer.ggml.bos_token_id", U32, 257),
        Key("tokenizer.ggml.eos_token_id", U32, 259),
        Key("tokenizer.ggml.padding_token_id", U32, 259),
        Key("tokenizer.ggml.add_bos_token", BOOL, 1),
        Key("tokenizer.chat_template", STRING, _TEMPLATE),
    )
    return File(keys, tuple(_tensors(architecture, blocks, len(words))))


def _tensors(architecture: str, blocks: int, vocabulary: int) -> Iterable[Tensor]:
    numbers = random.Random(0)

    def weight(name: str, inputs: int, outputs: int) -> Tensor:
        return Tensor(name, (inputs, outputs), _quantized(numbers, inputs * outputs), Q8_0)

    def vector(name: str, size: int, value: float = 1.0) -> Tensor:
        return Tensor(name, (size,), struct.pack("<f", value) * size)

    yield weight("token_embd.weight", 64, vocabulary)
    yield vector("output_norm.weight", 64)
    yield weight("output.weight", 64, vocabulary)
    for block in range(blocks):
        prefix = f"blk.{block}."
        yield vector(prefix + "attn_norm.weight", 64)
        yield vector(prefix + "ffn_norm.weight", 64)
        for name, outputs in (("attn_q", 64), ("attn_k", 32), ("attn_v", 32)):
            yield weight(f"{prefix}{name}.weight", 64, outputs)
            if architecture == "qwen2":
                yield vector(f"{prefix}{name}.bias", outputs, 0.0)
        yield weight(prefix + "attn_output.weight", 64, 64)
        yield weight(prefix + "ffn_gate.weight", 64, 96)
        yield weight(prefix + "ffn_up.weight", 64, 96)
        yield weight(prefix + "ffn_down.weight", 96, 64)
