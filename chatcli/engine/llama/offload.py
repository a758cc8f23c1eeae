"""How many layers of a model go to a GPU: as many as fit, and fewer if loading fails."""

from collections.abc import Callable
from typing import TypeVar

from chatcli.engine.base import Cancellation
from chatcli.engine.llama.load_options import ALL_LAYERS
from chatcli.engine.memory.estimate import Estimate
from chatcli.errors import InvalidModel, ModelError, ModelNotFound, TemplateError

#: Bytes left free on a GPU, for drivers, kernels and perhaps the screen.
MARGIN = 512 * 2**20

_Opened = TypeVar("_Opened")


def layers_that_fit(estimate: Estimate, free: int) -> int:
    """Layers to offload, counted as in llama.cpp: the output, then blocks from the last to the first.

    ``free`` is in bytes, on all GPUs together. The result may be ``ALL_LAYERS``.
    """
    room = free - MARGIN - estimate.compute
    if estimate.weights + estimate.cache <= room:
        return ALL_LAYERS
    # The output alone is not worth a GPU.
    return max((n for n in range(2, len(estimate.blocks) + 1) if on_gpu(estimate, n) <= room), default=0)


def on_gpu(estimate: Estimate, layers: int) -> int:
    """Bytes that so many layers take on the GPU instead of in main memory."""
    if layers == 0:
        return 0
    count = len(estimate.blocks)
    first = 0 if layers == ALL_LAYERS else max(count + 1 - layers, 0)
    return estimate.weights - sum(estimate.blocks[:first]) + sum(estimate.caches[first:])


def fewer(layers: int, count: int) -> int:
    """The number to try after ``layers`` failed: a quarter less, at last 0; a model has ``count`` blocks."""
    present = count + 1 if layers == ALL_LAYERS else layers
    return present * 3 // 4 if present > 3 else 0


def stepping_down(
    attempt: Callable[[int], _Opened],
    layers: int,
    count: int,
    tell: Callable[[str], None] | None = None,
    cancel: Cancellation | None = None,
) -> _Opened:
    """Open a model with so many layers on the GPU; if that fails, with fewer and fewer, at last with none.

    Raises the error of the last attempt, or the first that fewer layers cannot repair.

    Args:
        attempt: opens the model with that many layers.
        layers: number to begin with.
        count: number of blocks of the model.
        tell: called with a line for each step down.
        cancel: once it is set, there is no further attempt.
    """
    while True:
        try:
            return attempt(layers)
        except (InvalidModel, ModelNotFound, TemplateError):
            raise
        except ModelError as error:
            if layers == 0 or (cancel is not None and cancel.is_set()):
                raise
            former, layers = layers, fewer(layers, count)
            if tell is not None:
                shown = "all" if former == ALL_LAYERS else str(former)
                tell(f"{shown} layers on the GPU failed ({error}); trying {layers or 'none'}")
