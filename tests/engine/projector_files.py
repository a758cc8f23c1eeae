"""Writes small projectors (mmproj) with random weights, which libmtmd loads and computes with.

What they make of a picture means nothing; the numbers of tokens, the widths and the sizes are real.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import numpy as np

#: Sides of a picture and of a patch of the ``mlp`` kind: 16 tokens a picture.
IMAGE_SIZE, PATCH_SIZE = 56, 14
_PLACES = 3360  # of a side, for the longest strip that ``gemma4v`` reads
_BLOCKS, _WIDTH, _HEADS, _FEED_FORWARD = 2, 64, 4, 128


class _Kind(NamedTuple):
    """How a kind differs from LLaVA's: its name in the file, the layers at its end, patches a side merged."""

    name: str
    layers: tuple[str, ...] = ("mm.0", "mm.2")
    merge: int = 1
    norms_with_bias: bool = True
    gated: bool = False
    fused: bool = False
    places: bool = True


_KINDS = {
    "mlp": _Kind("mlp"),
    "qwen2vl": _Kind("qwen2vl_merger", merge=2, places=False),
    "qwen3vl": _Kind("qwen3vl_merger", merge=2, fused=True),
    "pixtral": _Kind("pixtral", ("mm.1", "mm.2"), norms_with_bias=False, gated=True, places=False),
    "gemma3": _Kind("gemma3", (), merge=4),
    "idefics3": _Kind("idefics3", (), merge=2),
    "lfm2": _Kind("lfm2", ("mm.1", "mm.2"), merge=2),
    "gemma4v": _Kind("gemma4v", (), norms_with_bias=False, gated=True),
}
_Tensor = Callable[..., None]


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
    places: int = _PLACES,
    numbers: type[np.floating[Any]] = np.float32,
    seed: int = 3,
) -> Path:
    """Write a projector.

    Args:
        path: the file.
        width: of the text model it is for, its ``embedding_length``.
        kind: ``mlp`` (as of LLaVA: pictures are squares of one size, a token a patch), ``gemma3`` (one size,
            a token for 4 x 4 patches, which see each other), ``qwen2vl``, ``qwen3vl`` (any size, 2 x 2
            patches), ``pixtral``, ``gemma4v``; ``idefics3``, ``lfm2`` (a large picture is cut into tiles).
        image_size, patch_size: in pixels.
        hidden, heads, feed_forward, blocks: sizes of the encoder; ``hidden / heads`` must be a multiple of 4.
        places: that ``gemma4v`` knows in each direction.
        numbers: ``numpy.float16`` or ``float32`` for the matrices; norms and biases are float32.
        seed: of the weights, so that two files can differ.
    """
    plan = _KINDS[kind]
    writer = gguf.GGUFWriter(str(path), "clip")
    writer.add_type(gguf.GGUFType.MMPROJ)
    writer.add_name(path.stem)
    writer.add_file_type(1 if numbers is np.float16 else 0)
    writer.add_string("clip.projector_type", plan.name)
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.use_gelu", True)
    sizes = {
        "embedding_length": hidden,
        "feed_forward_length": feed_forward,
        "block_count": blocks + (kind == "mlp"),  # LLaVA's graph leaves out the last one
        "projection_dim": width,
        "attention.head_count": heads,
        "image_size": image_size,
        "patch_size": patch_size,
    }
    if kind in ("idefics3", "lfm2"):
        sizes |= {"projector.scale_factor": plan.merge, "preproc_image_size": 2 * image_size}
    for name, size in sizes.items():
        writer.add_uint32(f"clip.vision.{name}", size)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    for name in ("image_mean", "image_std"):
        writer.add_array(f"clip.vision.{name}", [0.5, 0.5, 0.5])
    tensor = _tensors(writer, np.random.default_rng(seed), numbers)
    for i in range(sizes["block_count"]):
        _block(tensor, f"v.blk.{i}.", plan, hidden, feed_forward)
    if kind == "gemma4v":  # a table for each direction
        tensor("v.position_embd.weight", 2, places, hidden)
    elif plan.places:
        tensor("v.position_embd.weight", (image_size // patch_size) ** 2, hidden)
    _beginning(tensor, kind, hidden, patch_size)
    _end(tensor, kind, hidden, width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(writer: Any, random: np.random.Generator, numbers: type[np.floating[Any]]) -> _Tensor:
    def tensor(name: str, *shape: int, ones: bool = False) -> None:
        values = np.ones(shape) if ones else random.standard_normal(shape) * 0.1
        small = len(shape) == 1 or "position" in name  # libmtmd interpolates between float32 only
        writer.add_tensor(name, values.astype(np.float32 if small else numbers))

    return tensor


def _block(tensor: _Tensor, block: str, kind: _Kind, hidden: int, feed_forward: int) -> None:
    for norm in ("ln1", "ln2"):
        tensor(f"{block}{norm}.weight", hidden, ones=True)
        if kind.norms_with_bias:
            tensor(f"{block}{norm}.bias", hidden)
    rows = {"attn_qkv": 3 * hidden} if kind.fused else dict.fromkeys(("attn_q", "attn_k", "attn_v"), hidden)
    for name, count in (*rows.items(), ("attn_out", hidden)):
        tensor(f"{block}{name}.weight", count, hidden)
        tensor(f"{block}{name}.bias", count)
    for name in ("ffn_gate", "ffn_up") if kind.gated else ("ffn_up",):
        tensor(f"{block}{name}.weight", feed_forward, hidden)
        tensor(f"{block}{name}.bias", feed_forward)
    tensor(f"{block}ffn_down.weight", hidden, feed_forward)
    tensor(f"{block}ffn_down.bias", hidden)


def _beginning(tensor: _Tensor, kind: str, hidden: int, patch: int) -> None:
    """What makes numbers of a picture's patches."""
    tensor("v.patch_embd.weight", hidden, 3, patch, patch)
    if kind.startswith("qwen"):
        tensor("v.patch_embd.weight.1", hidden, 3, patch, patch)
    if kind == "qwen3vl":
        tensor("v.patch_embd.bias", hidden)


def _end(tensor: _Tensor, kind: str, hidden: int, width: int) -> None:
    """What makes tokens of the last block's output."""
    merged = hidden * _KINDS[kind].merge ** 2
    if kind.startswith("qwen"):
        tensor("v.post_ln.weight", hidden, ones=True)
        tensor("v.post_ln.bias", hidden)
    for layer, rows, columns in zip(_KINDS[kind].layers, (merged, width), (merged, merged), strict=False):
        tensor(f"{layer}.weight", rows, columns)
        tensor(f"{layer}.bias", rows)
    if kind == "pixtral":
        tensor("v.token_embd.img_break", width)
    elif kind == "gemma3":
        tensor("mm.input_projection.weight", hidden, width)
        tensor("mm.soft_emb_norm.weight", hidden, ones=True)
    elif kind == "gemma4v":
        tensor("mm.input_projection.weight", width, hidden)
    elif kind == "idefics3":
        tensor("mm.model.fc.weight", width, merged)
