"""The memory a model takes, told from its header, against what llama.cpp allocates."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.memory import measure
from benchmarks.shapes import SHAPES, write
from chatcli.engine.gguf import read_header, read_shards
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.memory.dimensions import dimensions
from chatcli.engine.memory.estimate import estimate, largest_context
from tests.engine.gguf_files import I32, U32, tiny_model
from tests.engine.tiny_models import write_gemma, write_lfm2, write_llama, write_mamba
from tests.program import MODEL

_MIB = 2**20


def _options(context: int, kind: str = "f16") -> LoadOptions:
    return LoadOptions(
        context_size=context, gpu_layers=0, kv_type_k=kind, kv_type_v=kind, use_extra_bufts=False
    )


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("context", "kind"), [(512, "f16"), (2048, "q8_0")])
def test_within_a_tenth_of_what_is_allocated(name: str, context: int, kind: str, tmp_path: Path) -> None:
    """Attention of every kind, experts, states and hybrids: each part, and the sum, is near the truth."""
    shape = SHAPES[name]
    keys = dict(shape.keys)
    if isinstance(keys.get("attention.head_count_kv"), list):
        keys["attention.head_count_kv"] = keys["attention.head_count_kv"][:4]
    small = replace(shape, layers=4, vocabulary=8192, keys=keys)
    if shape.architecture == "deepseek2":  # llama.cpp knows its small kind by the number of blocks
        small = replace(small, layers=26, feed_forward=4096)
    path = write(tmp_path / "m.gguf", small)
    options = _options(context, kind)
    guess, true = estimate(read_shards(read_header(path)), options), measure(path, options)
    assert guess.weights / _MIB == pytest.approx(true["weights"], rel=0.01, abs=0.1)
    assert guess.cache / _MIB == pytest.approx(true["cache"], rel=0.01, abs=0.1)
    assert guess.compute / _MIB == pytest.approx(true["compute"], rel=0.2, abs=0.5)
    assert guess.total / _MIB == pytest.approx(sum(true.values()), rel=0.1)


@pytest.mark.parametrize("make", [write_llama, write_mamba, write_gemma, write_lfm2])
def test_small_models_too(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Models of a few kilobytes, where rounding counts, are told to within half a megabyte."""
    path = make(tmp_path / "m.gguf")
    options = _options(1024)
    guess, true = estimate(read_shards(read_header(path)), options), measure(path, options)
    assert guess.total / _MIB == pytest.approx(sum(true.values()), abs=0.5)


def test_the_cache_of_a_window_is_smaller(tmp_path: Path) -> None:
    """Without room for returning to older turns, blocks with a sliding window keep the window only."""
    path = write(tmp_path / "m.gguf", replace(SHAPES["gemma3 1B"], layers=6, vocabulary=8192))
    options = replace(_options(8192), swa_full=False)
    guess, true = estimate(read_shards(read_header(path)), options), measure(path, options)
    assert guess.cache / _MIB == pytest.approx(true["cache"], rel=0.01)
    assert guess.cache < estimate(read_shards(read_header(path)), _options(8192)).cache / 3


def test_without_a_size_the_usual_context_counts() -> None:
    """What ``load_model`` would take: what the model was trained for, at most 8192."""
    shards = read_shards(read_header(MODEL))
    assert estimate(shards).context_size == min(shards[0].context_length, 8192)


def test_the_largest_context_fits_and_the_next_does_not() -> None:
    """It is found for any room, is at most the model's own, and 0 where nothing fits."""
    shards = read_shards(read_header(MODEL))
    options = LoadOptions()
    most = shards[0].context_length
    everything = estimate(shards, replace(options, context_size=most))
    full = everything.total + everything.overhead
    assert largest_context(shards, options, full) == most
    assert largest_context(shards, options, full - 1) < most
    assert largest_context(shards, options, 1000) == 0
    half = estimate(shards, replace(options, context_size=most // 2))
    room = half.total + half.overhead + 1000
    found = largest_context(shards, options, room)
    below = estimate(shards, replace(options, context_size=found))
    above = estimate(shards, replace(options, context_size=found + 256))
    assert below.total + below.overhead <= room < above.total + above.overhead


@pytest.mark.parametrize("value", [0, 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize(
    "key", ["block_count", "attention.head_count", "attention.head_count_kv", "feed_forward_length"]
)
def test_absurd_headers_are_no_error(key: str, value: int, tmp_path: Path) -> None:
    """A header may say anything: the estimate is then absurd, and made in an instant."""
    path = tiny_model().with_key(f"llama.{key}", U32, value).write(tmp_path / "m.gguf")
    header = read_header(path)
    assert estimate([header]).total >= 0
    assert dimensions(header).trained_context == 512


def test_lists_of_the_wrong_length_are_no_error(tmp_path: Path) -> None:
    """A list of fewer heads than blocks goes on with its last one."""
    path = tiny_model().with_key("llama.attention.head_count_kv", 9, (I32, [2])).write(tmp_path / "m.gguf")
    blocks = dimensions(read_header(path)).blocks
    assert [block.key for block in blocks] == [32, 32]
