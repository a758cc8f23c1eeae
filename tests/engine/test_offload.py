"""How many blocks go to a GPU, and what happens when that was too many. No GPU is needed to decide it."""

import pytest

from chatcli.engine.base import Cancellation
from chatcli.engine.llama.load_options import ALL_LAYERS
from chatcli.engine.llama.offload import MARGIN, fewer, layers_that_fit, on_gpu, stepping_down
from chatcli.engine.memory.estimate import Estimate
from chatcli.errors import InvalidModel, ModelError

# Ten blocks of 100 + 10 bytes, 50 bytes beside them, 7 to compute.
TEN = Estimate(context_size=512, blocks=(100,) * 10, weights=1050, caches=(10,) * 10, compute=7, overhead=0)
BASE = MARGIN + 7


@pytest.mark.parametrize(
    ("free", "layers"),
    [
        (0, 0),
        (BASE + 49, 0),
        (BASE + 50 + 109, 0),
        (BASE + 50 + 110, 2),
        (BASE + 50 + 3 * 110 + 5, 4),
        (BASE + 1050 + 99, 10),
        (BASE + 1050 + 100, ALL_LAYERS),
        (10**12, ALL_LAYERS),
    ],
)
def test_as_many_as_fit(free: int, layers: int) -> None:
    """The output first, then whole blocks with their cache; less than one block is not worth the way."""
    assert layers_that_fit(TEN, free) == layers
    if free:
        assert on_gpu(TEN, layers) <= max(0, free - BASE)


def test_what_is_there_is_not_here() -> None:
    """What a GPU holds is not taken from main memory."""
    assert [on_gpu(TEN, layers) for layers in (0, 1, 2, ALL_LAYERS)] == [0, 50, 160, 1150]


@pytest.mark.parametrize("truly", [11, 7, 3, 1, 0])
def test_stepping_down_ends_at_what_works(truly: int) -> None:
    """Each failure tries fewer, down to none, and says so."""
    tried: list[int] = []
    said: list[str] = []

    def attempt(layers: int) -> str:
        tried.append(layers)
        if (11 if layers == ALL_LAYERS else layers) > truly:
            raise ModelError("out of memory")
        return f"opened with {layers}"

    opened = stepping_down(attempt, ALL_LAYERS, 10, said.append)
    assert opened == f"opened with {tried[-1]}"
    assert len(said) == len(tried) - 1
    assert all("out of memory" in line for line in said)
    counts = [11 if layers == ALL_LAYERS else layers for layers in tried]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == len(counts)


def test_what_fewer_layers_cannot_mend_is_told_at_once() -> None:
    """A damaged file, a failure without a GPU and an interruption end it."""
    tried: list[int] = []

    def attempt(error: ModelError) -> None:
        tried.append(1)
        raise error

    stop = Cancellation()
    stop.set()
    with pytest.raises(InvalidModel):
        stepping_down(lambda _: attempt(InvalidModel("damaged")), ALL_LAYERS, 10)
    with pytest.raises(ModelError):
        stepping_down(lambda _: attempt(ModelError("no")), 0, 10)
    with pytest.raises(ModelError):
        stepping_down(lambda _: attempt(ModelError("interrupted")), ALL_LAYERS, 10, cancel=stop)
    assert len(tried) == 3


def test_the_steps_end() -> None:
    """From any number the steps reach none."""
    for count in range(1, 200):
        layers, steps = ALL_LAYERS, 0
        while layers:
            layers, steps = fewer(layers, count), steps + 1
        assert steps < 20
