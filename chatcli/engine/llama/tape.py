"""One llama.cpp context as a tape of token ids: read a prompt, append tokens, cut, stop.

The tape (``ids``) always says what llama.cpp's memory holds, also after an abort, an error or an exception
that arrives between two lines of Python. Pictures are cells on it (``vocabulary.py``), which come and go a
whole chunk at a time.
"""

import ctypes
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chatcli.chat.message import Picture
from chatcli.engine.base import Cancellation
from chatcli.engine.llama.native import Native
from chatcli.engine.llama.state import TapeState, pack
from chatcli.engine.llama.vision import Chunk, Vision
from chatcli.engine.llama.vocabulary import chunk_start, is_cell
from chatcli.errors import ModelError

_SEQUENCE = 0
_ABORTED = 2  # llama_decode's return codes, include/llama.h
_MEANING = {
    1: "no room left in the KV cache",
    -1: "llama.cpp refuses the batch",
    -2: "out of memory while computing",
    -3: "the computation failed",
}
_KEPT_CHECKPOINTS = 4


class Aborted(Exception):
    """A decode was stopped by its ``Cancellation``. The tape holds what was read until then."""


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """State of a memory that cannot be cut, after ``count`` tokens."""

    count: int
    data: Any  # ctypes array of bytes


class Tape:
    """The tokens in the memory of one context.

    Each token takes the next position. A chunk of a picture may take fewer positions than it has cells,
    because M-RoPE gives all of them the same one.

    Args:
        context: ``llama_context`` pointer; the caller frees it.
        batch_size: the most tokens of one ``llama_decode``; at most the context's ``n_batch``.
        vision: the projector that shows pictures, or None if no prompt holds cells.

    Attributes:
        ids: the tokens and the cells of pictures in the memory, in order. Read only.
        generated: for each of them, whether the model wrote it.
    """

    def __init__(self, native: Native, context: Any, batch_size: int, vision: Vision | None = None) -> None:
        lib = native.lib
        self.ids: list[int] = []
        self.generated: list[bool] = []
        self._positions: list[int] = []
        self._next = 0  # position of the next token
        self._vision = vision
        self._native = native
        self._lib = lib
        self._context = context
        self._memory = lib.llama_get_memory(context)
        self._batch_size = batch_size
        self._buffer = (ctypes.c_int32 * batch_size)()  # C keeps only the pointers
        self._places = (ctypes.c_int32 * batch_size)()
        self._batch = lib.llama_batch_get_one(self._buffer, 1)
        self._batch.pos = self._places
        self._pending: Sequence[int] = ()
        model = lib.llama_get_model(context)
        # A recurrent state is a summary: nothing can be taken out of it again, only an older copy put back.
        self.can_cut = not (lib.llama_model_is_recurrent(model) or lib.llama_model_is_hybrid(model))
        self._window = lib.llama_model_n_swa(model)
        self._checkpoints: list[_Checkpoint] = []
        self._strlen = _native_flag_reader(lib)
        self._flag: Any = None

    def watch(self, cancel: Cancellation | None) -> None:
        """Let ``cancel`` stop every following decode, also inside a batch. None: nothing stops them.

        llama.cpp calls the abort callback between the operations of a batch. The callback is libc's
        ``strlen`` on the flag's bytes, which returns 0 or 1: no Python runs, and no GIL is taken, inside
        a computation.
        """
        if cancel is None:
            self._lib.llama_set_abort_callback(self._context, self._lib.ggml_abort_callback(0), None)
            self._flag = None
        else:
            flag = (ctypes.c_char * len(cancel.flag)).from_buffer(cancel.flag)
            self._lib.llama_set_abort_callback(self._context, self._strlen, ctypes.addressof(flag))
            self._flag = flag

    def keep(self, count: int) -> int:
        """Cut the tape after ``count`` tokens, or earlier if the memory cannot be cut there.

        Returns how many tokens are left. No memory can be cut inside a chunk. The logits are lost.
        """
        self.settle()
        count = chunk_start(self.ids, count)
        if count >= len(self.ids):
            return len(self.ids)
        if self.can_cut and self._remove_from(count):
            self._forget(count)
            if not self._is_complete():
                self.clear()
        else:
            self._restore(count)
        return len(self.ids)

    def read(
        self, ids: Sequence[int], cancel: Cancellation | None = None, pictures: Iterable[Picture] = ()
    ) -> Iterator[int]:
        """Append tokens and pictures in pieces and compute the logits after the last token.

        A memory that cannot be cut gets a checkpoint before the last token. Answering the same prompt again
        then decodes one token.

        Args:
            ids: tokens and whole chunks of pictures; the last one is a token.
            cancel: checked between the pieces too, for back ends that ignore the abort callback (GPUs).
            pictures: the pictures of the chunks.

        Yields:
            How many of ``ids`` are done, after every piece.

        Raises:
            Aborted: ``cancel`` was set. Whole pieces that were done are on the tape.
            ChatcliError: llama.cpp failed, or a picture cannot be read.
        """
        done = 0
        shown = {picture.sha256: picture for picture in pictures}
        while done < len(ids):
            if cancel is not None and cancel.is_set():
                raise Aborted
            if self._vision is not None and is_cell(ids[done]):
                chunk = self._vision.chunk(ids[done])
                self._show(chunk, shown[chunk.picture], self._vision, cancel)
                done += len(chunk.ids)
                yield done
                continue
            end = min(done + self._batch_size, len(ids))
            if self._vision is not None:
                end = next((at for at in range(done, end) if is_cell(ids[at])), end)
            if not self.can_cut and end == len(ids) > done + 1:
                end -= 1
            self._decode_piece(ids[done:end])
            done = end
            if not self.can_cut and done == len(ids) - 1:
                self._checkpoint()
            yield done

    def append(self, token: int) -> None:
        """Append one token and compute the logits after it. This is the hot path of generation.

        After ``Aborted`` (the watched ``Cancellation`` was set) or ``ModelError`` it is not on the tape.
        """
        batch, place = self._batch, self._next
        self._buffer[0], self._places[0], batch.n_tokens = token, place, 1
        self._pending = (token,)
        code = self._lib.llama_decode(self._context, batch)
        if code:
            self._fail(code)
        self.ids.append(token)
        self._positions.append(place)
        self._next = place + 1
        self.generated.append(True)
        self._pending = ()

    def write_state(self, conditions: str) -> memoryview | None:
        """The whole state as a blob for ``read_state``. None if there is nothing to keep."""
        self.settle()
        whole = self.ids and not is_cell(self.ids[-1])  # behind a picture, where to go on is not in the state
        size = self._lib.llama_state_seq_get_size(self._context, _SEQUENCE) if whole else 0
        if not size:
            return None

        def fill(data: memoryview) -> bool:
            room = (ctypes.c_uint8 * size).from_buffer(data)
            written: int = self._lib.llama_state_seq_get_data(self._context, room, size, _SEQUENCE)
            return written == size

        return pack(conditions, self.ids, self._positions, self.generated, size, fill)

    def read_state(self, state: TapeState) -> bool:
        """Replace the memory with a state; returns whether llama.cpp accepts it, else it is empty."""
        self.clear()
        size = len(state.data)
        room = (ctypes.c_uint8 * size).from_buffer(state.data)
        read = self._lib.llama_state_seq_set_data(self._context, room, size, _SEQUENCE)
        held = self._lib.llama_memory_seq_pos_max(self._memory, _SEQUENCE) + 1
        self.ids[:], self.generated[:] = state.ids, state.generated
        self._positions[:], self._next = state.positions, state.positions[-1] + 1
        if read != size or held != self._next or (self.can_cut and not self._is_complete()):
            self.clear()
            return False
        if not self.can_cut:
            self._checkpoint()
        return True

    def clear(self) -> None:
        """Forget everything, for example because the weights have changed."""
        self._lib.llama_memory_clear(self._memory, False)
        self._forget(0)
        self._checkpoints.clear()
        self._pending = ()

    def settle(self) -> None:
        """Bring ``ids`` in line with the memory after a decode that did not return normally."""
        if not self._pending:
            return
        pending, self._pending = self._pending, ()
        held = self._lib.llama_memory_seq_pos_max(self._memory, _SEQUENCE) + 1
        if not self.can_cut or held > self._next + len(pending):
            self._restore(len(self.ids))
        elif is_cell(pending[0]):  # a part of a chunk is worth nothing
            if not self._remove_from(len(self.ids)):
                self.clear()
        elif held > self._next:
            count = held - self._next
            self._extend(pending[:count], range(count), count)
        else:
            self.keep(bisect_left(self._positions, held))

    def _extend(self, ids: Sequence[int], offsets: Sequence[int], positions: int) -> None:
        """Note tokens or cells that the memory holds now, and how many positions they take."""
        self._positions.extend(self._next + offset for offset in offsets)
        self._next += positions
        self.ids.extend(ids)
        self.generated.extend([False] * len(ids))
        self._pending = ()

    def _forget(self, count: int) -> None:
        if count < len(self.ids):
            self._next = self._positions[count]
        del self.ids[count:]
        del self._positions[count:]
        del self.generated[count:]

    def _remove_from(self, count: int) -> bool:
        """Remove everything after the first ``count`` tokens from the memory, if the memory allows it."""
        position = self._positions[count] if count < len(self.ids) else self._next
        return bool(self._lib.llama_memory_seq_rm(self._memory, _SEQUENCE, position, -1))

    def _is_complete(self) -> bool:
        """Whether layers with a sliding window still hold all positions that the next token attends to.

        Without ``swa_full`` llama.cpp drops positions outside the window, and a cut moves the window back.
        """
        first: int = self._lib.llama_memory_seq_pos_min(self._memory, _SEQUENCE)
        return 0 <= first <= max(0, self._next - int(self._window)) or not self.ids

    def _decode_piece(self, piece: Sequence[int]) -> None:
        count = self._batch.n_tokens = len(piece)
        self._buffer[:count] = list(piece)
        self._places[:count] = list(range(self._next, self._next + count))
        self._pending = piece
        code = self._lib.llama_decode(self._context, self._batch)
        if code:
            self._fail(code)
        self._extend(piece, range(count), count)

    def _show(self, chunk: Chunk, picture: Picture, vision: Vision, cancel: Cancellation | None) -> None:
        """Append one chunk of a picture."""
        self._pending = chunk.ids
        code = vision.show(chunk, picture, self._context, self._next, cancel)
        if code:
            self._fail(code)
        self._extend(chunk.ids, chunk.offsets, chunk.positions)

    def _fail(self, code: int) -> None:
        reason = self._native.log.reason()
        self.settle()
        if code == _ABORTED:
            raise Aborted
        meaning = _MEANING.get(code, f"llama_decode returned {code}")
        raise ModelError(f"the model stopped: {meaning}" + (f" ({reason})" if reason else ""))

    def _checkpoint(self) -> None:
        flags = self._lib.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        size = self._lib.llama_state_seq_get_size_ext(self._context, _SEQUENCE, flags)
        data = (ctypes.c_uint8 * size)()
        if self._lib.llama_state_seq_get_data_ext(self._context, data, size, _SEQUENCE, flags) == size:
            earlier = [c for c in self._checkpoints if c.count < len(self.ids)]
            self._checkpoints = [*earlier[1 - _KEPT_CHECKPOINTS :], _Checkpoint(len(self.ids), data)]

    def _restore(self, count: int) -> None:
        """Return to the newest checkpoint within the first ``count`` tokens, or to an empty memory."""
        self._checkpoints = [c for c in self._checkpoints if c.count <= count]
        if self._checkpoints:
            last = self._checkpoints[-1]
            flags = self._lib.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
            size = len(last.data)
            read = self._lib.llama_state_seq_set_data_ext(self._context, last.data, size, _SEQUENCE, flags)
            if read and self._remove_from(last.count):
                self._forget(last.count)
                return
        self.clear()


def _native_flag_reader(lib: Any) -> Any:
    """libc's ``strlen`` as a ``bool (*)(void *)``; a size_t of 0 or 1 is a C bool of the same value."""
    libc = ctypes.CDLL("ucrtbase") if sys.platform == "win32" else ctypes.CDLL(None)
    return ctypes.cast(libc.strlen, lib.ggml_abort_callback)
