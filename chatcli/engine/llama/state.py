"""The state of a tape as one blob, which goes back into the same memory only: same model, same settings.

llama.cpp trusts what it is given (its own reader checks the shape of a state, not its content), so a blob
proves itself first: format, conditions, lengths, token ids and a checksum over all of it.

Layout, in the byte order of the machine: ``_HEADER``, the token ids (int32), their positions (int32), a byte
a token that is 1 where the model wrote it, llama.cpp's state of the sequence.
"""

import hashlib
import secrets
import struct
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from chatcli.engine.gguf.header import split_files
from chatcli.engine.llama.vocabulary import is_cell
from chatcli.engine.load_options import LoadOptions
from chatcli.engine.trial.verdict_cache import file_identity

_MAGIC = b"chatcli tape 2\n\0"
# magic; sha256 of the conditions; tokens; bytes of llama.cpp's state; CRC-32 of all other bytes
_HEADER = struct.Struct("=16s32sQQI")
_CHECKSUM = struct.Struct("=I")
_BYTES_A_TOKEN = 9  # id, position, whether the model wrote it


class TapeState(NamedTuple):
    """What a blob holds.

    Attributes:
        ids: the tokens, and cells of pictures, in order.
        positions: where each of them stands; they never decrease.
        generated: for each of them, whether the model wrote it.
        data: llama.cpp's state of the sequence, writable.
    """

    ids: list[int]
    positions: list[int]
    generated: list[bool]
    data: memoryview


class StateBlob:
    """A blob that is being made: fill ``data``, then ``seal``.

    Args:
        conditions: what the state is valid for.
        ids, positions, generated: the tape.
        size: bytes of llama.cpp's state.
    """

    def __init__(
        self,
        conditions: str,
        ids: Sequence[int],
        positions: Sequence[int],
        generated: Sequence[bool],
        size: int,
    ) -> None:
        start = _HEADER.size + _BYTES_A_TOKEN * len(ids)
        self._blob = memoryview(bytearray(start + size))
        _HEADER.pack_into(self._blob, 0, _MAGIC, _digest(conditions), len(ids), size, 0)
        numbers = array("i", ids).tobytes() + array("i", positions).tobytes()
        self._blob[_HEADER.size : start] = numbers + bytes(generated)
        self.data = self._blob[start:]

    def seal(self) -> memoryview:
        """The whole blob, with its checksum."""
        _CHECKSUM.pack_into(self._blob, _HEADER.size - _CHECKSUM.size, _checksum(self._blob))
        return self._blob


def unpack(blob: bytes | memoryview, conditions: str, *, tokens: int, vocabulary: int) -> TapeState | None:
    """What a blob holds; None if it is none, damaged, or of other conditions.

    Args:
        blob: it is copied if it cannot be written to, since ctypes reads from writable memory only.
        conditions: those of the memory it shall go into.
        tokens: the most that memory holds.
        vocabulary: number of tokens the model knows.
    """
    view = memoryview(blob)
    if len(view) < _HEADER.size:
        return None
    magic, digest, count, size, checksum = _HEADER.unpack_from(view)
    start = _HEADER.size + _BYTES_A_TOKEN * count
    if (
        magic != _MAGIC
        or digest != _digest(conditions)
        or not 0 < count <= tokens
        or start + size != len(view)
        or checksum != _checksum(view)
    ):
        return None
    numbers = array("i", bytes(view[_HEADER.size : _HEADER.size + 8 * count])).tolist()
    ids, positions = numbers[:count], numbers[count:]
    if max(ids) >= vocabulary or is_cell(ids[-1]) or min(positions) < 0 or positions != sorted(positions):
        return None
    data = view[start:] if not view.readonly else memoryview(bytearray(view[start:]))
    return TapeState(ids, positions, [flag != 0 for flag in view[start - count : start]], data)


def conditions_of(path: Path, options: LoadOptions) -> str:
    """Model, projector and way of loading, as far as a state depends on them; the rest (library, adapter) is
    added.

    Args:
        path: of the model, the first file of a split one.
    """
    way = (
        options.gpu_layers,
        options.use_extra_bufts,
        options.flash_attention,
        options.kv_type_k,
        options.kv_type_v,
        options.swa_full,
        options.picture_tokens,
    )
    files = [*split_files(path), *([options.projector] if options.projector else [])]
    try:
        return f"{file_identity(files)} {way}"
    except OSError:  # removed meanwhile: nothing may match it
        return secrets.token_hex()


def _digest(conditions: str) -> bytes:
    return hashlib.sha256(conditions.encode("utf-8", "surrogatepass")).digest()


def _checksum(blob: memoryview) -> int:
    before = zlib.crc32(blob[: _HEADER.size - _CHECKSUM.size])
    return zlib.crc32(blob[_HEADER.size :], before)
