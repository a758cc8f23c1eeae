"""How much memory a model or a projector will take, told from its header: weights, cache, room to compute.

Measured against llama.cpp's own figures by ``benchmarks/memory.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chatcli.engine.gguf import Header, projector
from chatcli.engine.gguf.formats import TENSOR_FORMATS
from chatcli.engine.llama.load_options import DEFAULT_CONTEXT_SIZE, KV_TYPES, LoadOptions
from chatcli.engine.memory.dimensions import LayerShape, dimensions

_CELLS = 256  # llama.cpp rounds contexts up to this
#: Of the process beside llama.cpp's buffers: Python, the library, and for each token of the vocabulary.
PROCESS = 100_000_000
_PER_TOKEN = 200
_PROJECTOR_FIXED = 8_000_000  # descriptions of up to 8192 steps, whatever the picture


@dataclass(frozen=True, slots=True)
class Estimate:
    """Memory of one loaded model, in bytes.

    Attributes:
        context_size: tokens it is for.
        blocks: weights of each block, in order.
        weights: all weights, the blocks' among them.
        caches: cache and state of each block, in order.
        compute: room for what is computed at once, the output among it.
        overhead: of the process beside them.
    """

    context_size: int
    blocks: tuple[int, ...]
    weights: int
    caches: tuple[int, ...]
    compute: int
    overhead: int

    @property
    def cache(self) -> int:
        """Cache and state of all blocks."""
        return sum(self.caches)

    @property
    def total(self) -> int:
        """What llama.cpp allocates or maps."""
        return self.weights + self.cache + self.compute


def estimate(
    shards: Sequence[Header], options: LoadOptions | None = None, *, offloads: bool = False
) -> Estimate:
    """Estimate a model's memory from its header.

    Args:
        shards: headers of all its files, the first one first.
        options: how it will be loaded. Without a context size: what it was trained for, at most 8192.
        offloads: part of it goes to a GPU, so that prompts are read in larger batches.
    """
    options = options or LoadOptions()
    sizes = dimensions(shards[0])
    context = options.context_size or min(sizes.trained_context or DEFAULT_CONTEXT_SIZE, DEFAULT_CONTEXT_SIZE)
    batch = min(options.batch_size or (512 if offloads else 256), context)
    cells = _rounded(context)
    blocks, weights = _weights(shards, len(sizes.blocks))
    windowed = any(block.windowed for block in sizes.blocks)
    window = cells if options.swa_full else min(cells, _rounded(min(cells, sizes.window + batch)))
    masks = 2 * (cells + (window if windowed else 0)) if any(block.key for block in sizes.blocks) else 0
    return Estimate(
        context_size=context,
        blocks=blocks,
        weights=weights,
        caches=tuple(_cache(block, window if block.windowed else cells, options) for block in sizes.blocks),
        compute=batch * (4 * sizes.activations + masks) + 8 * sizes.vocabulary,
        overhead=PROCESS + _PER_TOKEN * sizes.vocabulary,
    )


def largest_context(
    shards: Sequence[Header], options: LoadOptions, room: int, *, offloads: bool = False
) -> int:
    """The largest context that fits, at most the model's own; 0: not even a small one does.

    Args:
        room: bytes that the process may take.
    """
    most = dimensions(shards[0]).trained_context or DEFAULT_CONTEXT_SIZE

    def fits(context: int) -> bool:
        guess = estimate(shards, replace(options, context_size=context), offloads=offloads)
        return guess.total + guess.overhead <= room

    if fits(most):
        return most
    low, high = 0, most // _CELLS  # fits(low * _CELLS), as far as anything does; not fits(high * _CELLS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle * _CELLS) else (low, middle)
    return low * _CELLS


def _rounded(cells: int) -> int:
    return -(-cells // _CELLS) * _CELLS


def _cache(block: LayerShape, cells: int, options: LoadOptions) -> int:
    keys = _bytes(options.kv_type_k, block.key)
    return cells * (keys + _bytes(options.kv_type_v, block.value)) + 4 * block.state


def _bytes(kind: str, floats: int) -> int:
    form = TENSOR_FORMATS[KV_TYPES[kind]]
    return floats // form.block * form.size


def _weights(shards: Sequence[Header], count: int) -> tuple[tuple[int, ...], int]:
    """Bytes of each block's weights and of all; those of blocks that predict ahead are not loaded."""
    blocks, total = [0] * count, 0
    for shard in shards:
        for tensor in shard.tensors:
            place = _block_of(tensor.name)
            if place is None:
                total += tensor.size
            elif place < count:
                blocks[place] += tensor.size
    return tuple(blocks), total + sum(blocks)


def _block_of(name: str) -> int | None:
    parts = name.split(".", 2)
    if parts[0] != "blk" or len(parts) < 3 or not parts[1].isdecimal():
        return None
    return int(parts[1][:6])


@dataclass(frozen=True, slots=True)
class ProjectorMemory:
    """Memory of one projector, in bytes.

    Attributes:
        weights: all of the file's, which are read and not mapped.
        compute: room for its largest picture, the picture itself among it.
    """

    weights: int
    compute: int

    @property
    def total(self) -> int:
        """Both."""
        return self.weights + self.compute


def projector_memory(header: Header) -> ProjectorMemory:
    """Estimate a projector's memory from its header: weights, and room for the largest picture.

    Which tensors share memory is decided by ggml's allocator, so the numbers of floats are fits to
    measurements (``benchmarks/projectors.py``), from a twentieth too few to a third too many.

    Args:
        header: of the projector. Absurd numbers give absurd sizes, and no error.
    """
    facts = projector(header)
    names = {tensor.name for tensor in header.tensors}
    pixels = 3 * facts.patch_size**2
    output = facts.tokens * facts.width
    # Attention over windows of a large picture has a mask, of which there are two copies for a moment.
    masks = 2 * facts.patches**2 if header.integer("clip.vision.n_wa_pattern") else 0
    block = max(_patch_floats(facts.hidden, facts.feed_forward, names), pixels + pixels // 2 + facts.hidden)
    patch = block + 2 * pixels + facts.feed_forward // 2  # activations in half precision
    if pixels <= facts.hidden:
        patch += pixels  # a larger piece is used again
    return ProjectorMemory(facts.weights, 4 * (facts.patches * patch + output + masks) + _PROJECTOR_FIXED)


def _patch_floats(hidden: int, feed_forward: int, names: set[str]) -> int:
    """Floats of a patch alive at once in a block."""
    attention = 13 * hidden // 2 if "v.blk.0.attn_qkv.weight" in names else 5 * hidden
    gated = "v.blk.0.ffn_gate.weight" in names
    return max(attention, (3 if gated else 1) * feed_forward + 3 * hidden)
