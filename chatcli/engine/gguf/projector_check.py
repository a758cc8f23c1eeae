"""Decides whether a file is a sane projector before libmtmd sees it, which aborts of some senseless headers.

A rule is one that libmtmd itself insists on, by an error or by an assertion (tools/mtmd/clip.cpp), or it is
applied to well-known kinds only: a good projector of a new kind must pass.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from chatcli.engine.gguf.header import Array, Header, ValueType
from chatcli.engine.gguf.layout import layout_problem
from chatcli.engine.gguf.projector import Projector, is_projector, projector, text_width
from chatcli.engine.gguf.projector_shapes import tensor_problem
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
    yield tensor_problem(header, facts)
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
