"""Decides whether a file is a sane projector before libmtmd sees it, which aborts of some senseless headers.

A rule is one that libmtmd itself insists on, by an error or by an assertion (tools/mtmd/clip.cpp), or it is
applied to well-known kinds only: a good projector of a new kind must pass.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from chatcli.engine.gguf.header import Array, Header, TensorInfo, ValueType
from chatcli.engine.gguf.layout import NOT_WEIGHTS, layout_problem
from chatcli.engine.gguf.projector import KINDS, Projector, is_projector, projector, text_width
from chatcli.engine.gguf.reader import quote
from chatcli.errors import InvalidModel

_MAX_IMAGE = 8192  # clip.cpp
_MAX_PATCH = 1024  # clip.cpp allows 65535, of which one row of a picture would take gigabytes
_MAX_MERGE = 16
_MAX_BLOCKS = 200  # more do not fit its graph of 8192 nodes; real ones have up to 63
_MAX_WIDTH = 1 << 20
# gguf_get_val_* asserts the type of a value.
_TYPES: Mapping[ValueType, tuple[str, ...]] = {
    ValueType.STRING: ("projector_type", "mm_patch_merge_type", "model_variant"),
    ValueType.BOOL: (
        "has_vision_encoder",
        "has_audio_encoder",
        "has_gen_audio_encoder",
        "use_gelu",
        "use_silu",
    ),
    ValueType.FLOAT32: ("layer_norm_epsilon", "swiglu_clamp"),
    ValueType.INT32: ("minicpmv_version",),
    ValueType.ARRAY: (
        *("image_mean", "image_std", "image_grid_pinpoints", "feature_layer", "wa_layer_indexes"),
        *("wa_pattern_mode", "spatial_offsets", "codebook_size"),
    ),
}
_TYPE_OF = {key: kind for kind, keys in _TYPES.items() for key in keys}
_TEXTS = ("general.name", "general.description")
_NUMBERS = frozenset(
    {
        "embedding_length",
        "feed_forward_length",
        "block_count",
        "projection_dim",
        "head_count",
        "head_count_kv",
    }
    | {"head_dim", "image_size", "image_min_pixels", "image_max_pixels", "preproc_min_tiles", "patch_size"}
    | {"preproc_max_tiles", "preproc_image_size", "scale_factor", "query_side", "window_side", "window_size"}
    | {"spatial_merge_size", "n_wa_pattern", "minicpmv_query_num", "expert_used_count", "num_mel_bins"}
    | {"stack_factor", "chunk_size", "conv_kernel_size", "max_pos_emb", "downsample_rate", "num_quantizers"}
    | {"local_block_count", "local_group_size", "subsampling_factor"}
)
_STRETCHED = ("qwen3vl_merger", "lfm2")  # kinds that stretch a square of places over the picture


def check_projector(header: Header, model: Header | None = None) -> Projector:
    """Refuse what is not a complete, sane projector with a part for pictures.

    Args:
        header: of the projector.
        model: of the text model's first file; None: whatever model it is for.

    Returns:
        Its facts.

    Raises:
        InvalidModel: with the file's name and one reason.
    """
    facts = projector(header)
    for problem in _problems(header, facts, model):
        if problem:
            raise InvalidModel(f"{quote(header.path.name)}: {problem}")
    return facts


def _problems(header: Header, facts: Projector, model: Header | None) -> Iterator[str]:
    """Checks in order of how much later ones rely on earlier ones."""
    if not is_projector(header):
        yield "it is not a projector (mmproj), the file that lets a model see"
    for key, kind in header.types.items():
        yield _type_problem(key, kind)
    if not facts.sees:
        yield "it has no part for pictures" + (", only for sounds" if facts.hears else "")
    if not facts.kind:
        yield "it does not say its kind (clip.projector_type is missing)"
    yield layout_problem(header)
    yield _size_problem(header)
    yield _float_problem(header)
    yield _tensor_problem(header, facts)
    if model is not None:
        yield _width_problem(facts, model)


def _type_problem(key: str, kind: ValueType) -> str:
    last, wanted = key.rpartition(".")[2], kind
    if key.startswith("clip."):
        wanted = _TYPE_OF.get(last, ValueType.UINT32 if last in _NUMBERS else kind)
    elif key in _TEXTS:
        wanted = ValueType.STRING
    if kind == wanted:
        return ""
    return f"{quote(key)} is of the type {kind.name.lower()}, and must be {wanted.name.lower()}"


def _size_problem(header: Header) -> str:
    """What is wrong with the numbers that decide sizes."""
    least_and_most = {
        "embedding_length": (1, _MAX_WIDTH),
        "feed_forward_length": (0, _MAX_WIDTH),  # some old converters wrote 0
        "block_count": (0, _MAX_BLOCKS),  # some kinds have none
        "projection_dim": (0, _MAX_WIDTH),
        "attention.head_count": (0, 4096),
        "image_size": (0, _MAX_IMAGE),  # 0: of any size
        "patch_size": (1, _MAX_PATCH),
    }
    optional = {
        "spatial_merge_size": (1, _MAX_MERGE),
        "projector.scale_factor": (1, _MAX_MERGE),
        "window_size": (0, 4096),
        "attention.head_dim": (0, 4096),
        "image_max_pixels": (0, _MAX_IMAGE**2),
    }
    for name, (least, most) in {**least_and_most, **optional}.items():
        key = f"clip.vision.{name}"
        value = header.integer(key)
        if value is None:
            if name in least_and_most:
                return f"{key} is missing"
        elif not least <= value <= most:
            return f"{key} is {value}; sane are {least} to {most}"
    smallest, largest = (header.integer(f"clip.vision.image_{end}_pixels") for end in ("min", "max"))
    if smallest is not None and largest is not None and smallest > largest:
        return f"clip.vision.image_min_pixels is {smallest}, more than image_max_pixels, {largest}"
    return ""


def _float_problem(header: Header) -> str:
    epsilon = header.metadata.get("clip.vision.attention.layer_norm_epsilon")
    if not isinstance(epsilon, float) or not 0 <= epsilon < math.inf:
        return "clip.vision.attention.layer_norm_epsilon is not a positive number"
    for name in ("image_mean", "image_std"):
        values = header.metadata.get(f"clip.vision.{name}")
        if not isinstance(values, Array) or values.type != ValueType.FLOAT32 or len(values) < 3:
            return f"clip.vision.{name} is not a list of three numbers"
        least = 0.0 if name == "image_std" else -math.inf
        if not all(isinstance(value, float) and least < value < math.inf for value in values):
            return f"clip.vision.{name} has a number that makes no sense"
    if header.metadata.get("clip.use_gelu") is True and header.metadata.get("clip.use_silu") is True:
        return "it claims two activations at once (clip.use_gelu, clip.use_silu)"
    return ""


def _tensor_problem(header: Header, facts: Projector) -> str:
    if not header.tensors:
        return "it holds no weights"
    kind = KINDS.get(facts.kind)
    if kind is None:
        return ""
    if kind.output and not facts.width:
        return f"the tensor {kind.output} is missing"
    if not kind.standard:
        return ""
    tensors = {tensor.name: tensor for tensor in header.tensors}
    return (
        _format_problem(header)
        or _picture_problem(tensors, facts, fixed=not kind.tokens)
        or _blocks_problem(header, tensors, facts)
        or _ends_problem(tensors, facts, len(header.array("clip.vision.feature_layer") or ()))
        or _bias_problem(tensors)
    )


def _format_problem(header: Header) -> str:
    """Norms and biases are added as they are; the others are multiplied with, in any format made for that."""
    for tensor in header.tensors:
        name = tensor.format_name
        if name != "F32" if len(tensor.shape) == 1 else name in NOT_WEIGHTS:
            return f"the tensor {quote(tensor.name)} is in the format {name}, which it cannot be"
    return ""


def _picture_problem(tensors: Mapping[str, TensorInfo], facts: Projector, *, fixed: bool) -> str:
    """How pictures are cut into patches, and what tells where a patch was."""
    if facts.image_size < facts.patch_size and fixed:
        return (
            f"its pictures of {facts.image_size} pixels a side are smaller than a patch of {facts.patch_size}"
        )
    wanted = (facts.patch_size, facts.patch_size, 3, facts.hidden)
    names = ["v.patch_embd.weight"]
    if facts.kind.startswith("qwen"):
        names.append("v.patch_embd.weight.1")
    for name in names:
        if (kernel := tensors.get(name)) is None:
            return f"the tensor {name} is missing"
        if kernel.shape != wanted or kernel.format_name not in ("F32", "F16", "BF16"):
            shown = f"{kernel.shape_text} ({kernel.format_name})"
            return f"{name} is {shown} for patches of {facts.patch_size} pixels"
    places = tensors.get("v.position_embd.weight")
    if places is None:
        return "the tensor v.position_embd.weight is missing" if fixed else ""
    rows = places.shape[1] if len(places.shape) > 1 else 0
    needed = facts.patches + ("v.class_embd" in tensors) if fixed else 1
    if places.shape[:1] != (facts.hidden,) or rows < needed:
        return f"v.position_embd.weight is {places.shape_text} for {facts.patches} patches"
    if facts.kind in _STRETCHED and (places.format_name != "F32" or math.isqrt(rows) ** 2 != rows):
        return f"v.position_embd.weight is {places.shape_text} ({places.format_name}), no square of F32"
    return ""


def _blocks_problem(header: Header, tensors: Mapping[str, TensorInfo], facts: Projector) -> str:
    """The shapes of its blocks, which ggml asserts of each other."""
    if not facts.blocks or not facts.heads:
        return f"it has {facts.blocks} blocks of {facts.heads} heads"
    head = header.integer("clip.vision.attention.head_dim") or facts.hidden // facts.heads
    if not head or (facts.hidden % facts.heads and "clip.vision.attention.head_dim" not in header.metadata):
        return f"its {facts.heads} heads do not divide its width, {facts.hidden}"
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
    qwen = facts.kind.startswith("qwen")
    if "mm.3.weight" in tensors or not (qwen or facts.kind in ("mlp", "pixtral")):
        return ""
    first = "mm.1" if facts.kind == "pixtral" else "mm.0"
    needed = [f"{first}.weight", "mm.2.weight"]
    if facts.kind == "mlp":
        needed += [f"{first}.bias", "mm.2.bias"]
    missing = next((name for name in needed if name not in tensors), "")
    if missing:
        return f"the tensor {missing} is missing"
    entry, last = (tensors[name] for name in needed[:2])
    merged = facts.hidden * (4 if qwen else max(features, 1))
    if entry.shape[:1] != (merged,) or last.shape[:1] != entry.shape[1:]:
        return f"{first} ({entry.shape_text}) and mm.2 ({last.shape_text}) do not follow its blocks"
    return ""


def _bias_problem(tensors: Mapping[str, TensorInfo]) -> str:
    """A bias, and a norm's weight and bias, are as long as what they are added to."""
    for name, bias in tensors.items():
        stem, dot, end = name.rpartition(".")
        weight = tensors.get(f"{stem}.weight")
        if end == "bias" and dot and weight is not None and bias.shape != weight.shape[-1:]:
            return f"the tensor {quote(name)} is {bias.shape_text} for a weight of {weight.shape_text}"
    return ""


def _width_problem(facts: Projector, model: Header) -> str:
    """A projector of another model: what libmtmd compares, and refuses."""
    wanted = text_width(model)
    if not wanted or not facts.width or wanted == facts.width:
        return ""
    return (
        f"it is the projector of another model: it makes tokens {facts.width} wide, "
        f"and {_shown(model.path)} reads tokens {wanted} wide"
    )


def _shown(path: Path) -> str:
    return quote(path.name)
