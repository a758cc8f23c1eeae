"""What a projector's header says: the file (``mmproj``) that turns pictures into what a model reads.

As libmtmd reads it (llama.cpp's tools/mtmd/clip-impl.h and clip.cpp, build 0.25.3 of ggml).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from chatcli.engine.gguf.header import Header, TensorInfo

_DEEPSTACK = "v.deepstack."
# Text models whose width libmtmd does not compare with embedding_length alone, or not yet known to us.
_OWN_INPUT_WIDTH = ("granite", "gemma4-assistant")


class ProjectorKind(NamedTuple):
    """What the name of a projector's kind implies.

    Attributes:
        output: the tensor one of whose sides is the text model's width.
        side: which one.
        merge: patches a side that become one token, where the header does not say.
        merge_key: where it does; '': nowhere.
        tokens: the most one picture takes; 0: pictures, or the tiles they are cut into, have one size.
        pixels: the header says how many pixels the largest picture has.
    """

    output: str
    side: int
    merge: int = 1
    merge_key: str = ""
    tokens: int = 0
    pixels: bool = False


_SIDE, _SCALE = "spatial_merge_size", "projector.scale_factor"
_QWEN = ProjectorKind("mm.2.bias", 0, 2, _SIDE, 4096)
_GEMMA4 = ProjectorKind("mm.input_projection.weight", 1, 3, _SCALE, 1120)
#: By ``clip.projector_type``. A kind that is not here may be one of a newer llama.cpp.
KINDS: Mapping[str, ProjectorKind] = {
    "mlp": ProjectorKind("mm.2.weight", 1),
    "ldp": ProjectorKind("mm.model.mb_block.1.block.2.1.bias", 0),
    "ldpv2": ProjectorKind("mm.model.peg.0.bias", 0),
    "resampler": ProjectorKind("resampler.proj.weight", 0),
    "adapter": ProjectorKind("adapter.linear.dense_4h_to_h.weight", 1),
    "qwen2vl_merger": _QWEN,
    "qwen2.5vl_merger": _QWEN,
    "qwen2.5o": _QWEN,
    "qwen3vl_merger": _QWEN,
    "ling3vl": _QWEN,
    "mimovl": ProjectorKind("mm.2.weight", 1, 2, _SIDE, pixels=True),
    "exaone4_5": ProjectorKind("mm.2.bias", 0, 2, _SIDE, pixels=True),
    "youtuvl": ProjectorKind("mm.2.bias", 0, 2, _SIDE, 62_500),
    "gemma3": ProjectorKind("mm.input_projection.weight", 0, 4, _SCALE),
    "gemma3nv": ProjectorKind("mm.input_projection.weight", 0, 1, _SCALE),
    "gemma4v": _GEMMA4,
    "gemma4uv": _GEMMA4,
    "phi4": ProjectorKind("mm.2.weight", 1, pixels=True),
    "idefics3": ProjectorKind("mm.model.fc.weight", 1, 1, _SCALE),
    "pixtral": ProjectorKind("mm.2.weight", 1, 1, _SIDE, 1024),
    "lightonocr": ProjectorKind("mm.2.weight", 1, 1, _SIDE),
    "internvl": ProjectorKind("mm.3.weight", 1, 1, _SCALE),
    "nemotron_v2_vl": ProjectorKind("mm.3.weight", 1, 1, _SCALE),
    "llama4": ProjectorKind("mm.model.fc.weight", 1, 1, _SCALE),
    "step3vl": ProjectorKind("mm.model.fc.weight", 1, 4, _SCALE),
    "lfm2": ProjectorKind("mm.2.weight", 1, 1, _SCALE, 256),
    "kimivl": ProjectorKind("mm.2.weight", 1, 1, _SCALE, 1024),
    "kimik25": ProjectorKind("mm.2.weight", 1, 1, _SCALE, 4096, pixels=True),
    "paddleocr": ProjectorKind("mm.2.weight", 1, 2, pixels=True),
    "dots_ocr": ProjectorKind("mm.2.weight", 1, 1, _SCALE, pixels=True),
    "dots3note_v": ProjectorKind("mm.2.weight", 1, 1, _SIDE, pixels=True),
    "deepseek4v": ProjectorKind("mm.2.weight", 1, 1, _SCALE, 384),
    "deepseekocr": ProjectorKind("mm.model.fc.weight", 1),
    "deepseekocr2": ProjectorKind("mm.model.fc.weight", 1),
    "yasa2": ProjectorKind("mm.2.weight", 1),
    "cogvlm": ProjectorKind("mm.down.weight", 1),
    "glm4v": ProjectorKind("mm.down.weight", 1, 2, _SIDE, 4096),
    "glm5v": ProjectorKind("mm.down.weight", 1, 2, _SIDE, pixels=True),
    "minicpmv4_6": ProjectorKind("mm.down.weight", 1, 4, _SCALE),
    "janus_pro": ProjectorKind("mm.1.bias", 0),
    "hunyuanvl": ProjectorKind("mm.model.fc.weight", 1, 2, _SIDE, 16_384, pixels=True),
    "minimax_m3": ProjectorKind("mm.merger.fc2.bias", 0, 2, _SIDE, 576),
    "muse-glimmer": ProjectorKind("mm.2.weight", 1, 2, _SIDE, 4096),
}


@dataclass(frozen=True, slots=True)
class Projector:
    """The facts of one projector; 0 where the header does not tell.

    Attributes:
        kind: as llama.cpp names it: ``mlp``, ``qwen3vl_merger``, ``gemma4v``.
        sees, hears: it has a part for pictures, for sounds.
        width: of the text model it is for.
        image_size: side of the pictures it was trained on, in pixels; 0: they have any size.
        patch_size: side of the squares a picture is cut into.
        merge: patches a side that become one token.
        patches: of the largest picture that is computed at once.
        hidden, feed_forward, heads, blocks: sizes of the part for pictures.
        weights: bytes, which are read into memory.
    """

    kind: str
    sees: bool
    hears: bool
    width: int
    image_size: int
    patch_size: int
    merge: int
    patches: int
    hidden: int
    feed_forward: int
    heads: int
    blocks: int
    weights: int

    @property
    def tokens(self) -> int:
        """What the largest picture takes of the context, or a tile of it."""
        return self.patches // max(self.merge, 1) ** 2


def is_projector(header: Header) -> bool:
    """Whether a file is the image or audio part of a model, and no model."""
    return header.string("general.type") in ("mmproj", "projector") or header.architecture in (
        "clip",
        "mmproj",
    )


def projector(header: Header) -> Projector:
    """Read the facts.

    Args:
        header: of the projector. Absurd numbers give absurd facts, and no error.
    """
    name = header.string("clip.projector_type") or header.string("clip.vision.projector_type") or ""
    kind = KINDS.get(name, ProjectorKind("", 0))
    image, patch = _number(header, "image_size"), _number(header, "patch_size")
    merge = _number(header, kind.merge_key) or kind.merge
    return Projector(
        kind=name,
        sees=header.metadata.get("clip.has_vision_encoder") is True,
        hears=header.metadata.get("clip.has_audio_encoder") is True,
        width=_width(header, kind),
        image_size=image,
        patch_size=patch,
        merge=merge,
        patches=_patches(header, kind, image, patch, merge),
        hidden=_number(header, "embedding_length"),
        feed_forward=_feed_forward(header),
        heads=_number(header, "attention.head_count"),
        blocks=_number(header, "block_count"),
        weights=sum(tensor.size for tensor in header.tensors),
    )


def text_width(model: Header) -> int:
    """The width a projector must have for a text model; 0: not known.

    Args:
        model: header of the model's first file.
    """
    architecture = model.architecture
    if architecture.startswith(_OWN_INPUT_WIDTH):
        return 0
    width = model.integer(f"{architecture}.embedding_length") or 0
    # Features of further blocks of the encoder are put side by side with the first (src/llama-hparams.cpp).
    return width * (1 + (model.integer(f"{architecture}.n_deepstack_layers") or 0))


def _number(header: Header, key: str) -> int:
    value = header.integer(f"clip.vision.{key}")
    return value if value is not None and 0 <= value < 2**31 else 0


def _feed_forward(header: Header) -> int:
    """Some converters wrote 0, so that the tensor tells."""
    first = next((tensor for tensor in header.tensors if tensor.name == "v.blk.0.ffn_up.weight"), None)
    return _number(header, "feed_forward_length") or max(first.shape if first else (0,))


def _width(header: Header, kind: ProjectorKind) -> int:
    """As ``clip_n_mmproj_embd`` has it."""
    tensors: dict[str, TensorInfo] = {tensor.name: tensor for tensor in header.tensors}
    output, side = tensors.get(kind.output), kind.side
    if kind is KINDS["mlp"] and "mm.3.bias" in tensors:  # LLaVA with norms, as of Yi
        output, side = tensors["mm.3.bias"], 0
    if output is None or len(output.shape) <= side:
        return 0
    stacked = sum(name.startswith(_DEEPSTACK) and name.endswith(".fc1.weight") for name in tensors)
    return output.shape[side] * (1 + stacked)


def _patches(header: Header, kind: ProjectorKind, image: int, patch: int, merge: int) -> int:
    if patch < 1:
        return 0
    if kind.pixels and (pixels := _number(header, "image_max_pixels")):
        return pixels // patch**2
    if kind.tokens:
        return int(kind.tokens * merge**2)
    return int(image // patch) ** 2
