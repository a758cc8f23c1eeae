import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.engine.base import Cancellation
from chatcli.engine.llama.loading import LoadedModel
from chatcli.engine.llama.tape import Aborted, Tape
from chatcli.errors import ModelError
from tests.engine import tiny_models
from tests.engine.conftest import OPTIONS, loaded_model

_PROMPT = list(range(30, 80))
_BATCH = 16  # tests/engine/conftest.py


def _tape(loaded: LoadedModel) -> Tape:
    return Tape(loaded.native, loaded.context, loaded.batch_size)


def _held(loaded: LoadedModel) -> int:
    """How many tokens llama.cpp itself says are in its memory."""
    lib = loaded.native.lib
    return int(lib.llama_memory_seq_pos_max(lib.llama_get_memory(loaded.context), 0)) + 1


def _logits(loaded: LoadedModel) -> list[float]:
    lib = loaded.native.lib
    count = lib.llama_vocab_n_tokens(loaded.vocab)
    return list(lib.llama_get_logits_ith(loaded.context, -1)[:count])


class _StopsAfter(Cancellation):
    """Is set by its own reader, so that a test stops between the same two pieces every time."""

    __slots__ = ("_left",)

    def __init__(self, reads: int) -> None:
        super().__init__()
        self._left = reads

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0 or super().is_set()


def _read_for_ever(tape: Tape, cancel: Cancellation) -> None:
    while True:
        tape.clear()
        for _ in tape.read(_PROMPT * 20, cancel):
            pass


@pytest.fixture(params=["llama", "mamba", "lfm2"])
def loaded(request: pytest.FixtureRequest) -> Iterator[LoadedModel]:
    """A model whose memory can be cut, and two whose memory cannot."""
    path: Path = request.getfixturevalue(f"tiny_{request.param}_path")
    with loaded_model(path) as model:
        yield model


def test_a_prompt_is_read_in_pieces(llama: LoadedModel) -> None:
    """No decode is larger than the batch, and every piece is reported."""
    tape = _tape(llama)
    assert list(tape.read(_PROMPT)) == [16, 32, 48, 50]
    assert tape.ids == _PROMPT
    assert _held(llama) == 50


def test_reading_in_pieces_and_appending_give_the_same_logits(loaded: LoadedModel) -> None:
    """The state depends on the tokens, not on how they came."""
    tape = _tape(loaded)
    assert list(tape.read(_PROMPT))
    at_once = _logits(loaded)
    tape.clear()
    assert list(tape.read(_PROMPT[:3]))
    for token in _PROMPT[3:]:
        tape.append(token)
    assert _logits(loaded) == pytest.approx(at_once, abs=1e-3)


def test_cutting_keeps_exactly_what_was_asked(llama: LoadedModel) -> None:
    """A KV cache is cut anywhere, and reading on gives the logits of the whole."""
    tape = _tape(llama)
    assert list(tape.read(_PROMPT))
    whole = _logits(llama)
    assert tape.keep(20) == 20
    assert (tape.ids, _held(llama)) == (_PROMPT[:20], 20)
    assert list(tape.read(_PROMPT[20:]))
    assert _logits(llama) == pytest.approx(whole, abs=1e-3)


def test_a_recurrent_memory_goes_back_to_the_end_of_the_prompt(recurrent: LoadedModel) -> None:
    """Answering the same prompt again costs one token, since a checkpoint was taken before its last."""
    tape = _tape(recurrent)
    assert list(tape.read(_PROMPT)) == [16, 32, 48, 49, 50]
    whole = _logits(recurrent)
    for token in (5, 6, 7):
        tape.append(token)
    assert tape.keep(49) == 49
    assert list(tape.read(_PROMPT[49:])) == [1]
    assert _logits(recurrent) == pytest.approx(whole, abs=1e-3)


def test_a_recurrent_memory_goes_back_turns_ago(recurrent: LoadedModel) -> None:
    """Undo finds the checkpoint of an older turn; further back everything is read again."""
    tape = _tape(recurrent)
    assert list(tape.read(_PROMPT[:20]))
    assert list(tape.read(_PROMPT[20:40]))
    assert list(tape.read(_PROMPT[40:]))
    assert tape.keep(30) == 19
    assert tape.ids == _PROMPT[:19]
    assert list(tape.read(_PROMPT[19:]))
    assert tape.keep(5) == 0
    assert (tape.ids, _held(recurrent)) == ([], 0)


@pytest.mark.parametrize(
    ("swa_full", "count", "kept"), [(True, 300, 300), (False, 690, 690), (False, 300, 0)]
)
def test_a_sliding_window_is_never_left_with_holes(
    tmp_path: Path, swa_full: bool, count: int, kept: int
) -> None:
    """Cut back to where the window's tokens are gone, everything is read again; the logits are always right.

    llama.cpp cuts without a word, and then answers from a window that is empty.
    """
    path = tiny_models.write_gemma(tmp_path / "gemma.gguf")
    with loaded_model(path, replace(OPTIONS, swa_full=swa_full)) as loaded:
        tape, ids = _tape(loaded), [5 + i * 7 % 200 for i in range(700)]
        assert list(tape.read(ids))
        whole = _logits(loaded)
        assert tape.keep(count) == kept
        assert list(tape.read(ids[kept:]))
        assert _logits(loaded) == pytest.approx(whole, abs=1e-3)


def test_keeping_everything_costs_nothing(loaded: LoadedModel) -> None:
    """A longer conversation only adds: nothing is cut, also where cutting is impossible."""
    tape = _tape(loaded)
    assert list(tape.read(_PROMPT))
    assert tape.keep(50) == 50
    assert tape.keep(99) == 50


def test_a_stop_between_pieces_leaves_whole_pieces(llama: LoadedModel) -> None:
    """Where a back end ignores the abort callback the prompt still stops between two decodes."""
    tape = _tape(llama)
    with pytest.raises(Aborted):
        list(tape.read(_PROMPT, _StopsAfter(2)))
    assert (len(tape.ids), _held(llama)) == (2 * _BATCH, 2 * _BATCH)


def test_the_flag_stops_a_decode_from_inside(loaded: LoadedModel) -> None:
    """With the flag set, llama_decode itself gives up: libc's strlen is a working abort callback."""
    tape = _tape(loaded)
    assert list(tape.read(_PROMPT[:20]))
    cancel = Cancellation()
    tape.watch(cancel)
    cancel.set()
    with pytest.raises(Aborted):
        list(tape.read(_PROMPT[20:]))  # `cancel` is not given: only the callback can see it
    with pytest.raises(Aborted):
        tape.append(7)
    assert tape.ids == _PROMPT[: len(tape.ids)]
    assert len(tape.ids) == _held(loaded)
    assert len(tape.ids) == (20 if tape.can_cut else 19)  # a recurrent state goes back to its checkpoint


def test_an_aborted_tape_goes_on_as_if_nothing_had_happened(loaded: LoadedModel) -> None:
    """After an abort in the middle of a prompt the rest is read and the logits are those of the whole."""
    tape = _tape(loaded)
    assert list(tape.read(_PROMPT))
    whole = _logits(loaded)
    tape.clear()
    assert list(tape.read(_PROMPT[:20]))
    cancel = Cancellation()
    tape.watch(cancel)
    cancel.set()
    with pytest.raises(Aborted):
        list(tape.read(_PROMPT[20:]))
    tape.watch(None)
    assert list(tape.read(_PROMPT[len(tape.ids) :]))
    assert _logits(loaded) == pytest.approx(whole, abs=1e-3)


def test_the_flag_may_be_set_by_another_thread(llama: LoadedModel) -> None:
    """A prompt that would be read over and over again stops when another thread says so."""
    tape = _tape(llama)
    cancel = Cancellation()
    tape.watch(cancel)
    threading.Timer(0.05, cancel.set).start()
    with pytest.raises(Aborted):
        _read_for_ever(tape, cancel)
    assert len(tape.ids) == _held(llama)


def test_an_exception_in_a_decode_is_settled_by_the_next_cut(llama: LoadedModel) -> None:
    """Ctrl-C may raise after llama_decode returned and before Python wrote it down."""
    tape = _tape(llama)
    assert list(tape.read(_PROMPT[:20]))
    tape._pending = _PROMPT[20:30]  # what an interrupt between the two leaves, once decoded and once not
    assert tape.keep(99) == 20
    batch = llama.native.lib.llama_batch_get_one(tape._buffer, 10)
    tape._buffer[:10] = list(_PROMPT[20:30])
    tape._pending = _PROMPT[20:30]
    assert llama.native.lib.llama_decode(llama.context, batch) == 0
    assert tape.keep(99) == 30
    assert tape.ids == _PROMPT[:30]


def test_a_full_context_is_an_error_that_leaves_the_tape_usable(tiny_llama_path: Path) -> None:
    """llama.cpp's own refusal is reported and what was read stays read."""
    with loaded_model(tiny_llama_path, replace(OPTIONS, context_size=256)) as loaded:
        tape = _tape(loaded)
        with pytest.raises(ModelError, match="KV cache"):
            list(tape.read([1] * 300))
        assert len(tape.ids) == _held(loaded) == 256
        assert tape.keep(10) == 10
        assert list(tape.read(_PROMPT)) == [16, 32, 48, 50]
