"""The state of a tape as one blob, for a memory of the same model under the same settings.

llama.cpp checks the shape of a state, not its content. So a blob is checked first: format, conditions,
lengths, token ids and a checksum over all of it.

Layout, in the byte order of the machine: ``_HEADER``, the token ids (int32), their positions (int32), one
byte for each token that is 1 if the model wrote it, llama.cpp's state of the sequence.
"""

import hashlib
import secrets
import struct
import zlib
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from chatcli.engine.gguf.header import split_files
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.llama.vocabulary import is_cell
from chatcli.engine.trial.verdict_cache import file_identity

_MAGIC = b"chatcli tape 2\n\0"
# magic; sha256 of the conditions; tokens; bytes of llama.cpp's state; CRC-32 of all other bytes
_HEADER = struct.Struct("=16s32sQQI")
_CHECKSUM = struct.Struct("=I")
_BYTES_A_TOKEN = 9  # id, position, whether the model wrote it


class TapeState(NamedTuple):
    """The contents of a blob: the tape, and llama.cpp's state of the sequence in writable memory."""

    ids: list[int]
    positions: list[int]
    generated: list[bool]
    data: memoryview


def pack(
    conditions: str,
    ids: Sequence[int],
    positions: Sequence[int],
    generated: Sequence[bool],
    size: int,
    fill: Callable[[memoryview], bool],
) -> memoryview | None:
    """Make the blob of a state; None if ``fill`` failed.

    Args:
        conditions: everything that the state depends on.
        ids, positions, generated: the tape.
        size: bytes of llama.cpp's state.
        fill: writes llama.cpp's state into the memory it is given; returns whether that worked.
    """
    start = _HEADER.size + _BYTES_A_TOKEN * len(ids)
    blob = memoryview(bytearray(start + size))
    _HEADER.pack_into(blob, 0, _MAGIC, _digest(conditions), len(ids), size, 0)
    numbers = array("i", ids).tobytes() + array("i", positions).tobytes()
    blob[_HEADER.size : start] = numbers + bytes(generated)
    if not fill(blob[start:]):
        return None
    _CHECKSUM.pack_into(blob, _HEADER.size - _CHECKSUM.size, _checksum(blob))
    return blob


def unpack(blob: bytes | memoryview, conditions: str, *, tokens: int, vocabulary: int) -> TapeState | None:
    """Read a blob for a memory of at most so many ``tokens`` of a vocabulary of this size.

    None if the blob is damaged or was saved under other conditions. A read-only blob is copied, because
    ctypes takes writable memory only.
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
    """What a state depends on before the model is loaded: its files, the projector, the options."""
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
    except OSError:  # the file was removed meanwhile, so nothing may match
        return secrets.token_hex()


def _digest(conditions: str) -> bytes:
    return hashlib.sha256(conditions.encode("utf-8", "surrogatepass")).digest()


def _checksum(blob: memoryview) -> int:
    before = zlib.crc32(blob[: _HEADER.size - _CHECKSUM.size])
    return zlib.crc32(blob[_HEADER.size :], before)
