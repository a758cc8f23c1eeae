"""A model is fitted to the machine before it is loaded."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.shapes import SHAPES, write
from chatcli.engine.gguf import Header, read_header
from chatcli.engine.memory.estimate import estimate, projector_memory
from chatcli.engine.memory.process import Memory
from chatcli.errors import ModelError
from chatcli.library.fit.plan import Machine, plan
from chatcli.settings import AUTO_CONTEXT, Settings
from tests.engine.projector_files import write_projector

GB = 10**9


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Header]:
    """An 8B model of 8.5 GB whose cache takes 1.1 GB for 8192 tokens, and 4.3 GB for its 32768."""
    return [read_header(write(tmp_path_factory.mktemp("m") / "m.gguf", SHAPES["llama 8B"]))]


def _machine(available: float, gpu: float = 0) -> Machine:
    return Machine(Memory(64 * GB, int(available * GB)), int(gpu * GB))


def test_what_fits_is_loaded_as_wished(shards: list[Header]) -> None:
    """With room enough nothing is changed and nothing said."""
    fitted = plan(shards, Settings(ctx_size=4096), _machine(20), "m")
    assert (fitted.options.context_size, fitted.options.gpu_layers, fitted.notes) == (4096, -1, ())


@pytest.mark.parametrize(
    ("available", "remedy"),
    [
        (9.6, "--ctx-size "),
        (9.3, "kv_cache=q8_0"),
        (7.1, "Q5_K_M"),
        (6.4, "Q4_K_M"),
        (1, "chatcli models recommend"),
    ],
)
def test_too_big_is_refused_with_what_would_fit(shards: list[Header], available: float, remedy: str) -> None:
    """A smaller context, a quantized cache, a smaller quantization or a smaller model, whichever is one."""
    with pytest.raises(ModelError, match="needs about") as refused:
        plan(shards, Settings(), _machine(available), "m")
    assert remedy in str(refused.value)
    assert "check_memory=false" in str(refused.value)
    plan(shards, Settings(check_memory=False), _machine(available), "m")


def test_the_proposed_context_is_accepted(shards: list[Header]) -> None:
    """Whoever follows the proposal is not refused again."""
    with pytest.raises(ModelError) as refused:
        plan(shards, Settings(), _machine(9.6), "m")
    proposed = int(str(refused.value).partition("--ctx-size ")[2].split()[0])
    assert plan(shards, Settings(ctx_size=proposed), _machine(9.6), "m").options.context_size == proposed


def test_an_unknown_memory_refuses_nothing(shards: list[Header]) -> None:
    """Where the system does not say, the model is tried."""
    plan(shards, Settings(), Machine(Memory(0, 0)), "m")


def test_auto_takes_the_largest_context(shards: list[Header]) -> None:
    """What fits, at most the model's own; and it says which."""
    fitted = plan(shards, Settings(ctx_size=AUTO_CONTEXT), _machine(11), "m")
    size = fitted.options.context_size
    assert size is not None
    assert 8192 < size < 32768
    assert str(size) in fitted.notes[0]
    next_one = estimate(shards, replace(fitted.options, context_size=size + 256))
    assert fitted.estimate.total + fitted.estimate.overhead <= 11 * GB < next_one.total + next_one.overhead
    assert plan(shards, Settings(ctx_size=AUTO_CONTEXT), _machine(60), "m").options.context_size == 32768


def test_a_gpu_takes_its_share(shards: list[Header]) -> None:
    """What goes to the GPU need not fit main memory; all of it goes where there is room."""
    whole = plan(shards, Settings(), _machine(2, gpu=24), "m")
    assert (whole.options.gpu_layers, whole.offloads, whole.notes) == (-1, True, ())
    part = plan(shards, Settings(), _machine(8, gpu=6), "m")
    assert 0 < part.options.gpu_layers < 33
    assert "of 32 blocks" in part.notes[0]
    with pytest.raises(ModelError):
        plan(shards, Settings(gpu_layers="0"), _machine(8, gpu=24), "m")


def test_a_wish_for_layers_is_obeyed(shards: list[Header]) -> None:
    """A number is a number."""
    assert plan(shards, Settings(gpu_layers="7"), _machine(20, gpu=24), "m").options.gpu_layers == 7


def test_the_cache_type_is_the_settings(shards: list[Header], tmp_path: Path) -> None:
    """A quantized cache takes about half."""
    full = plan(shards, Settings(), _machine(20), "m").estimate.cache
    small = plan(shards, Settings(kv_cache="q8_0"), _machine(20), "m").estimate.cache
    assert 0.5 < small / full < 0.55


@pytest.fixture(scope="module")
def projector(tmp_path_factory: pytest.TempPathFactory) -> Header:
    """One of 0.6 GB, the room for its largest picture among it."""
    path = tmp_path_factory.mktemp("p") / "mmproj.gguf"
    write_projector(path, width=4096, kind="qwen2vl", hidden=1024, heads=16, feed_forward=4096, blocks=1)
    return read_header(path)


def test_what_lets_it_see_needs_room_too(shards: list[Header], projector: Header) -> None:
    """Beside it, where there is room; else the model is loaded without, and a line says what would help."""
    needed = projector_memory(projector).total
    full = plan(shards, Settings(), _machine(20), "m")
    taken = (full.estimate.total + full.estimate.overhead) / GB
    fitted = plan(shards, Settings(), _machine(taken + needed / GB + 0.01), "m", projector)
    assert (fitted.projector, fitted.projector_on_gpu, fitted.notes) == (True, False, ())
    assert not full.projector
    tight = _machine(taken + needed / GB - 0.01)
    blind = plan(shards, Settings(), tight, "m", projector)
    assert (blind.projector, blind.options) == (False, full.options)
    proposed = int(blind.notes[0].partition("--ctx-size ")[2].split()[0])
    assert plan(shards, Settings(ctx_size=proposed), tight, "m", projector).projector
    assert plan(shards, Settings(check_memory=False), tight, "m", projector).projector
    with pytest.raises(ModelError):
        plan(shards, Settings(), _machine(taken - 0.01), "m", projector)


def test_auto_leaves_room_for_it(shards: list[Header], projector: Header) -> None:
    """The largest context beside it is smaller; on a GPU it goes there first, where it fits."""
    auto = Settings(ctx_size=AUTO_CONTEXT)
    sizes = [plan(shards, auto, _machine(11), "m", p).options.context_size or 0 for p in (None, projector)]
    assert 8192 < sizes[1] < sizes[0]
    layers = [plan(shards, Settings(), _machine(20, gpu=6), "m", p) for p in (None, projector)]
    assert layers[1].projector_on_gpu
    assert 0 < layers[1].options.gpu_layers < layers[0].options.gpu_layers
    small = plan(shards, Settings(), _machine(20, gpu=0.9), "m", projector)
    assert (small.projector, small.projector_on_gpu) == (True, False)
    assert not plan(shards, Settings(gpu_layers="0"), _machine(20, gpu=24), "m", projector).projector_on_gpu
    assert plan(shards, Settings(), Machine(Memory(0, 0)), "m", projector).projector
