"""Checks the shapes and formats of a projector's tensors, which libmtmd's graphs assert of each other.

Of kinds that are the usual vision transformer, and of the parts for pictures only.
"""

import math
from collections.abc import Mapping

from chatcli.engine.gguf.header import Header, TensorInfo
from chatcli.engine.gguf.layout import NOT_WEIGHTS
from chatcli.engine.gguf.projector import KINDS, Projector
from chatcli.engine.gguf.reader import quote

_FOR_SOUNDS = ("a.", "mm.a.")
_FLOATS = ("F32", "F16", "BF16")
_MLP = ("mm.0", "mm.2")
_LAYERS = {
    "mlp": _MLP,
    **dict.fromkeys(("qwen2vl_merger", "qwen2.5vl_merger", "qwen2.5o", "qwen3vl_merger"), _MLP),
    "pixtral": ("mm.1", "mm.2"),
    "lfm2": ("mm.1", "mm.2"),
    "idefics3": ("mm.model.fc",),
}
_STRETCHED = ("qwen3vl_merger", "lfm2")  # kinds that stretch a square of places over the picture


def tensor_problem(header: Header, facts: Projector) -> str:
    """What is wrong with a projector's tensors, in words; '' when nothing is.

    Args:
        header: of the projector, whose numbers are sane.
        facts: what it says.
    """
    if not header.tensors:
        return "it holds no weights"
    kind = KINDS.get(facts.kind)
    if kind is None:
        return ""
    if kind.output and not facts.width:
        return f"the tensor {kind.output} is missing"
    if not kind.standard:
        return ""
    tensors = {tensor.name: tensor for tensor in header.tensors if not tensor.name.startswith(_FOR_SOUNDS)}
    return (
        _format_problem(tensors)
        or _picture_problem(tensors, facts, fixed=not kind.tokens)
        or _places_problem(tensors, facts, fixed=not kind.tokens)
        or _blocks_problem(header, tensors, facts)
        or _ends_problem(tensors, facts, len(header.array("clip.vision.feature_layer") or ()))
        or _bias_problem(tensors)
    )


def _format_problem(tensors: Mapping[str, TensorInfo]) -> str:
    """Norms and biases are added as they are; the others are multiplied with, in any format made for that."""
    for tensor in tensors.values():
        name = tensor.format_name
        if not tensor.elements:
            return f"the tensor {quote(tensor.name)} is empty"
        if name != "F32" if len(tensor.shape) == 1 else name in NOT_WEIGHTS:
            return f"the tensor {quote(tensor.name)} is in the format {name}, which it cannot be"
    return ""


def _picture_problem(tensors: Mapping[str, TensorInfo], facts: Projector, *, fixed: bool) -> str:
    """How pictures are cut into patches."""
    if fixed and facts.image_size // facts.patch_size < facts.merge:
        return (
            f"its pictures of {facts.image_size} pixels a side are smaller than {facts.merge} "
            f"patches of {facts.patch_size}"
        )
    wanted = (facts.patch_size, facts.patch_size, 3, facts.hidden)
    qwen = facts.kind.startswith("qwen")
    for name in ("v.patch_embd.weight", *(("v.patch_embd.weight.1",) if qwen else ())):
        if (kernel := tensors.get(name)) is None:
            return f"the tensor {name} is missing"
        if kernel.shape != wanted or kernel.format_name not in _FLOATS:
            shown = f"{kernel.shape_text} ({kernel.format_name})"
            return f"{name} is {shown} for patches of {facts.patch_size} pixels"
    if qwen and ("v.patch_embd.bias" in tensors) != (facts.kind == "qwen3vl_merger"):
        return f"v.patch_embd.bias does not go with its kind, {facts.kind}"
    if qwen and "v.class_embd" in tensors:
        return f"v.class_embd does not go with its kind, {facts.kind}"
    return ""


def _places_problem(tensors: Mapping[str, TensorInfo], facts: Projector, *, fixed: bool) -> str:
    """What tells where in the picture a patch was."""
    places = tensors.get("v.position_embd.weight")
    if places is None:
        needed = fixed or facts.kind in (*_STRETCHED, "gemma4v")
        return "the tensor v.position_embd.weight is missing" if needed else ""
    rows = places.shape[1] if len(places.shape) > 1 else 0
    least = facts.patches + ("v.class_embd" in tensors) if fixed else 1
    if facts.kind == "gemma4v":  # a table for each direction; the longest strip is one token wide
        least = facts.tokens * facts.merge
    shown = f"v.position_embd.weight is {places.shape_text} ({places.format_name})"
    if places.shape[:1] != (facts.hidden,) or rows < least:
        return f"{shown} for {facts.patches} patches"
    if places.format_name != "F32" and facts.kind not in ("mlp", "gemma4v"):  # which look rows up
        return f"{shown}, and must be F32"
    if facts.kind in _STRETCHED and math.isqrt(rows) ** 2 != rows:
        return f"{shown}, which is no square"
    return ""


def _blocks_problem(header: Header, tensors: Mapping[str, TensorInfo], facts: Projector) -> str:
    """The shapes of its blocks, which ggml asserts of each other."""
    if not facts.blocks or not facts.heads:
        return f"it has {facts.blocks} blocks of {facts.heads} heads"
    head = header.integer("clip.vision.attention.head_dim") or facts.hidden // facts.heads
    if not head or (facts.hidden % facts.heads and "clip.vision.attention.head_dim" not in header.metadata):
        return f"its {facts.heads} heads do not divide its width, {facts.hidden}"
    if header.metadata.get("clip.vision.attention.head_count_kv", facts.heads) != facts.heads:
        return "its heads share keys, which its kind does not"
    if facts.kind.startswith("qwen") and (head % 4 or facts.merge != 2):
        return f"its heads are {head} wide and {facts.merge} patches a side are merged; libmtmd merges 2"
    inner = facts.heads * head
    biased = facts.kind.startswith("qwen")  # whose graph adds what is not there
    for number in range(facts.blocks):
        problem = _block_problem(tensors, f"v.blk.{number}.", facts.hidden, inner, biased)
        if problem:
            return problem
    return ""


def _block_problem(
    tensors: Mapping[str, TensorInfo], block: str, hidden: int, inner: int, biased: bool
) -> str:
    fused = f"{block}attn_qkv.weight" in tensors
    rows = {"attn_qkv": 3 * inner} if fused else dict.fromkeys(("attn_q", "attn_k", "attn_v"), inner)
    shapes: dict[str, tuple[int, ...]] = {f"{name}.weight": (hidden, count) for name, count in rows.items()}
    shapes |= {"attn_out.weight": (inner, hidden), "ln1.weight": (hidden,), "ln2.weight": (hidden,)}
    shapes |= {"ln1.bias": (hidden,), "ln2.bias": (hidden,)} if f"{block}ln1.bias" in tensors else {}
    shapes |= {f"{name}.bias": (count,) for name, count in rows.items()} if biased else {}
    for name, wanted in shapes.items():
        found = tensors.get(block + name)
        if found is None or found.shape != wanted:
            return f"the tensor {block}{name} is {found.shape_text if found else 'missing'}, not {wanted}"
    up, down = (tensors.get(f"{block}ffn_{name}.weight") for name in ("up", "down"))
    gate = tensors.get(f"{block}ffn_gate.weight")
    # Old converters swapped the two; libmtmd swaps them back.
    if up is None or down is None or up.shape != down.shape[::-1] or hidden not in up.shape:
        return f"{block}ffn_up and ffn_down do not fit each other"
    if gate is not None and gate.shape not in (up.shape, down.shape):
        return f"the tensor {block}ffn_gate.weight is {gate.shape_text}"
    return ""


def _ends_problem(tensors: Mapping[str, TensorInfo], facts: Projector, features: int) -> str:
    """What makes tokens of the last block's output, of the kinds whose parts follow each other plainly."""
    if facts.kind == "gemma3" and tensors["mm.input_projection.weight"].format_name not in _FLOATS:
        return "the tensor mm.input_projection.weight is quantized, and must be turned"
    if facts.kind == "pixtral" and (problem := _rows_problem(tensors, facts)):
        return problem
    if facts.kind in ("idefics3", "lfm2") and facts.merge < 2:
        return f"it merges {facts.merge} patches a side, and its kind more"
    layers = _LAYERS.get(facts.kind, ())
    if "mm.3.weight" in tensors or not layers:
        return ""
    needed = [f"{layer}.weight" for layer in layers]
    if facts.kind == "mlp":
        needed += [f"{layer}.bias" for layer in layers]
    missing = next((name for name in needed if name not in tensors), "")
    if missing:
        return f"the tensor {missing} is missing"
    # Pixtral's patches are merged before, by a layer of their own.
    width = facts.hidden * (1 if facts.kind == "pixtral" else facts.merge**2) * max(features, 1)
    for layer in layers:
        weight = tensors[f"{layer}.weight"]
        if weight.shape[:1] != (width,) or len(weight.shape) != 2:
            return f"the tensor {layer}.weight is {weight.shape_text}, and what it reads is {width} wide"
        width = weight.shape[1]
    return ""


def _rows_problem(tensors: Mapping[str, TensorInfo], facts: Projector) -> str:
    """Pixtral's: what merges patches, and the token that ends a row of them."""
    merger, end = tensors.get("mm.patch_merger.weight"), tensors.get("v.token_embd.img_break")
    merged = merger.shape if merger is not None else (facts.hidden, facts.hidden)
    if merged != (facts.hidden * facts.merge**2, facts.hidden):
        return f"it merges {facts.merge} patches a side, and mm.patch_merger.weight does not"
    if end is not None and end.shape != (facts.width,):
        return f"the tensor v.token_embd.img_break is {end.shape_text}, and tokens are {facts.width} wide"
    return ""


def _bias_problem(tensors: Mapping[str, TensorInfo]) -> str:
    """A bias, and a norm's weight and bias, are as long as what they are added to."""
    for name, bias in tensors.items():
        stem, dot, end = name.rpartition(".")
        weight = tensors.get(f"{stem}.weight")
        if end == "bias" and dot and weight is not None and bias.shape != weight.shape[-1:]:
            return f"the tensor {quote(name)} is {bias.shape_text} for a weight of {weight.shape_text}"
    return ""
