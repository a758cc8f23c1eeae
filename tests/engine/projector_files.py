"""Writes small projectors (mmproj) with random weights, which libmtmd loads and computes with.

What they make of a picture means nothing; the numbers of tokens, the widths and the sizes are real.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np

#: Sides of a picture and of a patch of the ``mlp`` kind: 16 tokens a picture.
IMAGE_SIZE, PATCH_SIZE = 56, 14
_BLOCKS, _WIDTH, _HEADS, _FEED_FORWARD = 2, 64, 4, 128
_KINDS = {
    "mlp": "mlp",
    "qwen2vl": "qwen2vl_merger",
    "gemma3": "gemma3",
    "idefics3": "idefics3",
    "lfm2": "lfm2",
}
_MERGED = 2  # patches of a side that become one token, but for ``mlp``


def write_projector(
    path: Path,
    *,
    width: int,
    kind: str = "mlp",
    image_size: int = IMAGE_SIZE,
    patch_size: int = PATCH_SIZE,
    hidden: int = _WIDTH,
    heads: int = _HEADS,
    feed_forward: int = _FEED_FORWARD,
    blocks: int = _BLOCKS,
    numbers: type[np.floating[Any]] = np.float32,
    seed: int = 3,
) -> Path:
    """Write a projector.

    Args:
        path: the file.
        width: of the text model it is for, its ``embedding_length``.
        kind: ``mlp`` (as of LLaVA: pictures are squares of one size, a token a patch); ``gemma3`` (the same
            with a token for 2 x 2 patches, all of which see each other); ``qwen2vl`` (any size, M-RoPE);
            ``idefics3`` and ``lfm2`` (a large picture is cut into tiles).
        image_size, patch_size: in pixels.
        hidden, heads, feed_forward, blocks: sizes of the encoder; ``hidden / heads`` must be a multiple of 4.
        numbers: ``numpy.float16`` or ``float32`` for the matrices; norms and biases are float32.
        seed: of the weights, so that two files can differ.
    """
    writer = gguf.GGUFWriter(str(path), "clip")
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_name(path.stem)
    writer.add_file_type(1 if numbers is np.float16 else 0)
    writer.add_string("clip.projector_type", _KINDS[kind])
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.use_gelu", True)
    sizes = {
        "embedding_length": hidden,
        "feed_forward_length": feed_forward,
        "block_count": blocks + (kind == "mlp"),  # LLaVA's graph leaves out the last one
        "projector.scale_factor": _MERGED,
        "preproc_image_size": 2 * image_size,
        "projection_dim": width,
        "attention.head_count": heads,
        "image_size": image_size,
        "patch_size": patch_size,
    }
    for name, size in sizes.items():
        writer.add_uint32(f"clip.vision.{name}", size)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    for name in ("image_mean", "image_std"):
        writer.add_array(f"clip.vision.{name}", [0.5, 0.5, 0.5])
    tensor = _tensors(writer, np.random.default_rng(seed), numbers)
    for i in range(sizes["block_count"]):
        _block(tensor, f"v.blk.{i}.", hidden, feed_forward)
    _ends(tensor, kind, width, hidden, patch_size, (image_size // patch_size) ** 2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


_Tensor = Callable[..., None]


def _tensors(writer: Any, random: np.random.Generator, numbers: type[np.floating[Any]]) -> _Tensor:
    def tensor(name: str, *shape: int, ones: bool = False) -> None:
        values = np.ones(shape) if ones else random.standard_normal(shape) * 0.1
        writer.add_tensor(name, values.astype(numbers if len(shape) > 1 else np.float32))

    return tensor


def _block(tensor: _Tensor, block: str, hidden: int, feed_forward: int) -> None:
    for norm in ("ln1", "ln2"):
        tensor(f"{block}{norm}.weight", hidden, ones=True)
        tensor(f"{block}{norm}.bias", hidden)
    for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
        tensor(f"{block}{name}.weight", hidden, hidden)
        tensor(f"{block}{name}.bias", hidden)
    tensor(f"{block}ffn_up.weight", feed_forward, hidden)
    tensor(f"{block}ffn_up.bias", feed_forward)
    tensor(f"{block}ffn_down.weight", hidden, feed_forward)
    tensor(f"{block}ffn_down.bias", hidden)


def _ends(tensor: _Tensor, kind: str, width: int, hidden: int, patch: int, patches: int) -> None:
    """What comes before the blocks and after them."""
    tensor("v.patch_embd.weight", hidden, 3, patch, patch)
    if kind == "qwen2vl":
        tensor("v.patch_embd.weight.1", hidden, 3, patch, patch)
        tensor("v.post_ln.weight", hidden, ones=True)
        tensor("v.post_ln.bias", hidden)
    else:
        tensor("v.position_embd.weight", patches, hidden)
    merged = hidden if kind in ("mlp", "gemma3") else _MERGED**2 * hidden
    if kind == "gemma3":
        tensor("mm.input_projection.weight", hidden, width)
        tensor("mm.soft_emb_norm.weight", hidden, ones=True)
        return
    if kind == "idefics3":
        tensor("mm.model.fc.weight", width, merged)
        return
    for layer, rows in ((1 if kind == "lfm2" else 0, merged), (2, width)):
        tensor(f"mm.{layer}.weight", rows, merged)
        tensor(f"mm.{layer}.bias", rows)
