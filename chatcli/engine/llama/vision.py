"""Pictures for a model: its projector (mmproj), run by llama.cpp's libmtmd.

A picture becomes a row of tokens and *chunks*. A chunk is a group of cells of the model's memory, filled with
the projector's output for the picture or for a tile of it. The row follows from the picture's size alone. The
picture is decoded and the projector runs only when its chunks have to be put into the memory.
"""

import ctypes
import itertools
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from chatcli.chat.message import Picture
from chatcli.engine.base import Cancellation
from chatcli.engine.llama.native import Native
from chatcli.engine.llama.vocabulary import cell_ids
from chatcli.engine.pictures import facts, pixels
from chatcli.errors import ChatcliError, DataError, ModelError

_ABORTED = 2  # return code of llama_decode
_KEPT_BYTES = 64 * 2**20  # of the projector's output: 2 to 130 MB for a photo, and a minute on a slow CPU
# Sizes of large pictures in pixels, from a square to a long strip. A picture that is scaled to fit takes a
# few cells more or less in every shape, so the most cells of these are rounded up.
_LARGE = [(4096, side) for side in range(512, 4097, 128)]
_ROUND = 64
_FEW = re.compile(r"image_max_pixels \((?P<most>\d+)\) is less than image_min_pixels \((?P<least>\d+)\)")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A picture or a tile of one, which enters the model's memory in one piece."""

    picture: str  # sha256 of the picture's file
    ids: tuple[int, ...]  # of its cells
    offsets: tuple[int, ...]  # position of each cell, relative to the first
    positions: int  # that it takes; with M-RoPE fewer than cells
    handle: Any  # libmtmd's description of the chunk, without the pixels


class _Piece(NamedTuple):
    """A piece of a picture's row: a chunk, or the tokens that libmtmd puts around chunks."""

    tokens: list[int]
    cells: int = 0
    handle: Any = None  # libmtmd's copy of the chunk; must be freed


class Vision:
    """A loaded projector, which shows pictures to one model.

    Args:
        model: ``llama_model`` pointer; must live longer.
        path: the projector's file.
        batch_size: the most tokens of a decode that are wanted. The attribute of this name may be larger:
            some models attend to all cells of a chunk at once, and in two batches the first would not see
            the second.
        gpu: whether it may run on a GPU.
        most_tokens: the most tokens of a picture, for projectors that scale. None: the projector's own limit.

    Raises:
        ModelError: this build has no libmtmd, or the projector cannot be used with the model.
    """

    def __init__(
        self,
        native: Native,
        model: Any,
        path: Path,
        *,
        threads: int,
        batch_size: int,
        gpu: bool = False,
        most_tokens: int | None = None,
    ) -> None:
        if native.mtmd is None:
            raise ModelError("this build of llama-cpp-python cannot see pictures: it lacks libmtmd")
        self._native = native
        self._lib: Any = native.mtmd
        self._cancel = Cancellation()
        self._chunks: dict[int, Chunk] = {}
        self._rows: dict[str, tuple[int, ...]] = {}
        self._encoded: dict[int, Any] = {}
        self._failed: set[str] = set()  # sha256 of pictures that could not be decoded
        # C keeps only the pointer
        self._look = native.lib.ggml_backend_sched_eval_callback(self._between_operations)
        params = self._lib.mtmd_context_params_default()
        params.use_gpu, params.n_threads = gpu, threads
        params.print_timings = params.warmup = False  # the first picture warms it up
        params.image_max_tokens = most_tokens or -1
        params.cb_eval = self._look
        native.log.clear()
        self._context = self._lib.mtmd_init_from_file(os.fsencode(path), model, params)
        if not self._context:
            raise ModelError(f"the projector {path.name} cannot be used: {_refusal(native, most_tokens)}")
        self._width = int(native.lib.llama_model_n_embd_inp(model))
        if not self._lib.mtmd_support_vision(self._context):
            self.free()
            raise ModelError(f"the projector {path.name} is for sound, not for pictures")
        self._at_once = bool(self._lib.mtmd_decode_use_non_causal(self._context, None))
        self.batch_size = max(batch_size, self._most_cells()) if self._at_once else batch_size

    def row(self, picture: Picture) -> tuple[int, ...]:
        """The ids that stand for a picture in a prompt: tokens, and the cells of its chunks.

        Raises:
            ChatcliError: the picture cannot be read, or the projector refuses it.
        """
        row = self._rows.get(picture.sha256)
        if row is None:
            _, width, height = facts(_bytes(picture), picture.name)
            row = self._rows[picture.sha256] = self._new_row(picture.sha256, width, height)
        elif picture.sha256 in self._failed:
            pixels(_bytes(picture), picture.name)
            self._failed.remove(picture.sha256)
        return row

    def chunk(self, first: int) -> Chunk:
        """The chunk that begins with this cell. ``row`` must have been called for its picture."""
        return self._chunks[first]

    def show(
        self, chunk: Chunk, picture: Picture, context: Any, position: int, cancel: Cancellation | None
    ) -> int:
        """Put a chunk into a model's memory, from this position on.

        Args:
            cancel: stops the projector. The context's abort callback stops decoding.

        Returns:
            The return code of ``llama_decode``. If it is not 0, the memory may hold a part of the chunk.

        Raises:
            ChatcliError: the picture cannot be read, or the projector fails.
        """
        encoded = self._encoded.get(chunk.ids[0])
        if encoded is None:
            self.look_at(picture, cancel)
            if self._cancel.is_set():
                return _ABORTED
            encoded = self._encoded[chunk.ids[0]]
        after = ctypes.c_int32(position)
        no_callback = self._lib.mtmd_helper_post_decode_callback(0)
        return int(
            self._lib.mtmd_helper_decode_image_chunk(
                self._context, context, chunk.handle, encoded, position, 0, self.batch_size,
                ctypes.byref(after), no_callback, None,
            )
        )  # fmt: skip

    def look_at(self, picture: Picture, cancel: Cancellation | None = None) -> None:
        """Run the projector on a picture and keep its output. ``cancel`` leaves out some chunks.

        Raises:
            ChatcliError: the projector fails, or the picture cannot be read. The next prompt then names it.
        """
        self._cancel = cancel or Cancellation()
        try:
            seen = pixels(_bytes(picture), picture.name)
        except ChatcliError:
            self._failed.add(picture.sha256)
            raise
        chunks = [self._chunks[token] for token in self.row(picture) if token in self._chunks]
        pieces = [piece for piece in self._pieces(*seen) if piece.cells]
        try:
            if [piece.cells for piece in pieces] != [len(chunk.ids) for chunk in chunks]:
                raise ModelError(f"{picture.name}: decoded size differs from its header")
            for chunk, piece in zip(chunks, pieces, strict=True):
                if not self._cancel.is_set():
                    self._keep(chunk, piece.handle, picture.name)
        finally:
            self._free(pieces)
        self._forget_old(picture)

    def free(self) -> None:
        """Free the projector, before the model is freed. Idempotent."""
        if self._context:
            self._free(self._chunks.values())
            self._chunks.clear()
            self._rows.clear()
            self._lib.mtmd_free(self._context)
            self._context = None

    def _free(self, chunks: Iterable[Chunk | _Piece]) -> None:
        for chunk in chunks:
            self._lib.mtmd_input_chunk_free(chunk.handle)

    def _most_cells(self) -> int:
        """The most cells of a chunk of any picture that is not a mere line, rounded up."""
        pieces = [p for wide, high in _LARGE for p in self._pieces(wide, high) + self._pieces(high, wide)]
        self._free(pieces)
        return math.ceil(max(piece.cells for piece in pieces) / _ROUND) * _ROUND

    def _new_row(self, shown: str, width: int, height: int) -> tuple[int, ...]:
        pieces = self._pieces(width, height)
        most = max(piece.cells for piece in pieces)
        if self._at_once and most > self.batch_size:
            self._free(pieces)
            raise ModelError(
                f"a picture of {width} x {height} pixels takes {most} tokens, and must be read at once, "
                f"{self.batch_size} at most; cut it"
            )
        ids: list[int] = []
        numbers = itertools.count()
        for tokens, count, handle in pieces:
            ids += tokens
            if count:
                cells = cell_ids(f"{shown} {next(numbers)}", count)
                positions = int(self._lib.mtmd_input_chunk_get_n_pos(handle))
                offsets = self._offsets(handle, count)
                self._chunks[cells[0]] = Chunk(shown, tuple(cells), offsets, positions, handle)
                ids += cells
        return tuple(ids)

    def _keep(self, chunk: Chunk, handle: Any, name: str) -> None:
        self._native.log.clear()
        failed = self._lib.mtmd_encode_chunk(self._context, handle)
        if self._cancel.is_set():
            return  # the output is worthless
        if failed:
            raise ModelError(f"the projector fails on {name}: {self._native.log.reason()}")
        count = len(chunk.ids) * self._width
        room = (ctypes.c_float * count)()
        ctypes.memmove(room, self._lib.mtmd_get_output_embd(self._context), ctypes.sizeof(room))
        self._encoded[chunk.ids[0]] = room

    def _forget_old(self, picture: Picture) -> None:
        """Drop the oldest outputs of the projector, but none of this picture."""
        held = sum(map(ctypes.sizeof, self._encoded.values()))
        for first in list(self._encoded):
            if held > _KEPT_BYTES and self._chunks[first].picture != picture.sha256:
                held -= ctypes.sizeof(self._encoded.pop(first))

    def _offsets(self, handle: Any, count: int) -> tuple[int, ...]:
        if not self._lib.mtmd_decode_use_mrope(self._context):
            return tuple(range(count))
        places = (self._lib.mtmd_decoder_pos * count)()
        tokens = self._lib.mtmd_input_chunk_get_tokens_image(handle)
        self._lib.mtmd_helper_image_get_decoder_pos(tokens, 0, places)
        return tuple(place.t for place in places)

    def _pieces(self, width: int, height: int, rgb: bytes | None = None) -> list[_Piece]:
        """The pieces of a picture's row, in order. The caller frees the chunks.

        Without ``rgb``, the pixels, the chunks have their sizes only. Raises ``ModelError`` if the projector
        refuses the picture.
        """
        lib = self._lib
        data = ctypes.cast(ctypes.c_char_p(rgb), ctypes.POINTER(ctypes.c_uint8)) if rgb else None
        bitmap = lib.mtmd_bitmap_init(width, height, data)
        chunks = lib.mtmd_input_chunks_init()
        marker = lib.mtmd_default_marker()
        text = lib.mtmd_input_text(marker, len(marker), False, True)
        bitmaps = (ctypes.c_void_p * 1)(bitmap)
        self._native.log.clear()
        try:
            if lib.mtmd_tokenize(self._context, chunks, ctypes.byref(text), bitmaps, 1):
                reason = self._native.log.reason()
                raise ModelError(f"a picture of {width} x {height} pixels cannot be shown: {reason}")
            return list(self._copied(chunks, whole=rgb is not None))
        finally:
            lib.mtmd_input_chunks_free(chunks)
            lib.mtmd_bitmap_free(bitmap)

    def _copied(self, chunks: Any, *, whole: bool) -> Iterator[_Piece]:
        lib = self._lib
        for index in range(lib.mtmd_input_chunks_size(chunks)):
            chunk = lib.mtmd_input_chunks_get(chunks, index)
            count = ctypes.c_size_t(lib.mtmd_input_chunk_get_n_tokens(chunk))
            if lib.mtmd_input_chunk_get_type(chunk) == lib.MTMD_INPUT_CHUNK_TYPE_TEXT:
                tokens = lib.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
                # -1 stands for a token that libmtmd looks for and the vocabulary lacks.
                yield _Piece([token for token in tokens[: count.value] if token >= 0])
            else:
                copy = lib.mtmd_input_chunk_copy if whole else lib.mtmd_input_chunk_get_placeholder
                yield _Piece([], count.value, copy(chunk))

    def _between_operations(self, _tensor: Any, asks: bool, _data: Any) -> bool:
        """ggml's eval callback: whether to pause after an operation (no measurable cost), then to go on."""
        return asks or not self._cancel.is_set()


def _refusal(native: Native, most_tokens: int | None) -> str:
    """Why libmtmd refuses a projector. Its limits in pixels are told in tokens if the user set tokens."""
    reason = native.log.reason()
    few = _FEW.search(reason)
    if few is None or most_tokens is None:
        return reason
    least = math.ceil(most_tokens * int(few["least"]) / int(few["most"]))
    return f"a picture takes at least {least} tokens with it, and picture_tokens is {most_tokens}"


def _bytes(picture: Picture) -> bytes:
    if picture.read is None:
        raise DataError(f"{picture.name} is not here")
    return picture.read()
