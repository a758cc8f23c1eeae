"""Every way we know to make one thing in a projector wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chatcli.engine.gguf import MetadataArray, read_header
from tests.engine.gguf_files import ARRAY, STRING, File, Key, Tensor
from tests.engine.mutations import Mutation, tensor_mutations, value_mutations

_ABSENT = (
    *("clip.has_audio_encoder", "clip.has_gen_audio_encoder", "clip.use_silu", "clip.minicpmv_version"),
    *("clip.vision.attention.head_dim", "clip.vision.attention.head_count_kv", "clip.vision.feature_layer"),
    *("clip.vision.spatial_merge_size", "clip.vision.projector.scale_factor", "clip.vision.n_wa_pattern"),
    *("clip.vision.image_min_pixels", "clip.vision.image_max_pixels", "clip.vision.mm_patch_merge_type"),
    *("clip.vision.image_grid_pinpoints", "clip.vision.projector_type", "clip.minicpmv_query_num"),
    *("general.alignment", "general.description"),
)
_KINDS = ("mlp", "qwen2vl_merger", "gemma3", "pixtral", "idefics3", "internvl", "lfm2", "gemma4v", "nonsense")


def file_of(path: Path) -> File:
    """A file that was written, taken apart so that each part can be changed."""
    header, content = read_header(path), path.read_bytes()
    keys = [Key(name, header.types[name], _value(value)) for name, value in header.metadata.items()]
    start = header.data_offset
    tensors = [
        Tensor(t.name, t.shape, content[start + t.offset : start + t.offset + t.size], t.type)
        for t in header.tensors
    ]
    return File(tuple(keys), tuple(tensors))


def _value(value: Any) -> Any:
    if not isinstance(value, MetadataArray):
        return value
    return (int(value.type), list(value.strings() if value.type == STRING else value))


def projector_mutations(projector: File) -> Iterator[Mutation]:
    """Keys removed, of another type and senseless, and tensors missing, of another shape and format."""
    present = [str(key.name) for key in projector.keys]
    for name in present:
        yield f"{name} removed", projector.without_key(name)
    for name in (*present, *_ABSENT):
        yield from value_mutations(projector, name)
    for kind in _KINDS:
        yield f"kind {kind}", projector.with_key("clip.projector_type", STRING, kind)
    for pinpoints in ([336, 672], [0, 0], [-5, 3]):
        yield (
            f"pinpoints {pinpoints}",
            projector.with_key("clip.vision.image_grid_pinpoints", ARRAY, (5, pinpoints)),
        )
    yield from tensor_mutations(projector)
