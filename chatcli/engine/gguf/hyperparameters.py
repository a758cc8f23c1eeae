"""Checks the numbers of a model's architecture that llama.cpp asserts, divides by, or takes on trust."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from chatcli.engine.gguf.header import Array, Header, TensorInfo, Value, ValueType
from chatcli.engine.gguf.reader import quote

_MAX_BLOCKS = 10_000
_LLAMA_MAX_BLOCKS = 512  # LLAMA_MAX_LAYERS
_MAX_EXPERTS = 1024  # LLAMA_MAX_EXPERTS
_MAX_EMBEDDING = 1 << 20
_MAX_CONTEXT = (1 << 31) - 1  # positions are int32
_ROPE_SCALING = ("none", "linear", "yarn", "longrope")
_BLOCK = re.compile(r"^(?:enc\.|dec\.)?blk\.(\d+)\.")
_QUERY = re.compile(r"^blk\.\d+\.attn_(?:q|qkv)\.weight$")
_EPSILONS = (
    "attention.layer_norm_rms_epsilon",
    "attention.layer_norm_epsilon",
    "attention.group_norm_epsilon",
)
_ROTATE_ALL = frozenset(
    {"llama", "mistral3", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "falcon", "starcoder2"}
    | {"internlm2", "olmo", "olmo2", "granite", "smollm3", "baichuan", "deepseek"}
)
_ROPE_BASES = ("rope.freq_base", "rope.freq_base_swa")
# Decoders whose blocks, widths and norms mean what they say; others share blocks or leave numbers at 0.
_PLAIN = frozenset(
    {
        "llama",
        "mistral3",
        "qwen2",
        "qwen2moe",
        "qwen3",
        "qwen3moe",
        "gemma",
        "gemma2",
        "gemma3",
        "phi2",
        "phi3",
    }
    | {
        "falcon",
        "gptneox",
        "gpt2",
        "starcoder2",
        "stablelm",
        "internlm2",
        "olmo",
        "olmo2",
        "command-r",
        "cohere2",
    }
    | {"granite", "granitemoe", "smollm3", "gpt-oss", "baichuan", "deepseek"}
)


def is_plain(architecture: str) -> bool:
    """The architecture is known to mean what its numbers and tensor names say."""
    return architecture in _PLAIN


def hyperparameter_problem(header: Header, tensors: Sequence[TensorInfo]) -> str:
    """What is wrong with the architecture's numbers, in words; '' when nothing is.

    Args:
        header: of the model's first file.
        tensors: of all its files.
    """
    numbers = _Numbers(header)
    for problem in _problems(numbers, tensors):
        if problem:
            return problem
    return ""


class _Numbers:
    """The values below an architecture's prefix."""

    def __init__(self, header: Header) -> None:
        self.prefix = header.architecture + "."
        self.architecture = header.architecture
        tokens = header.array("tokenizer.ggml.tokens")
        self.vocabulary = len(tokens) if tokens is not None else None
        self._values = header.metadata
        self._types = header.types

    def name(self, key: str) -> str:
        return quote(self.prefix + key)

    def get(self, key: str) -> Value | None:
        return self._values.get(self.prefix + key)

    def integer(self, key: str) -> int | None:
        """The value if it is one whole number, not an array."""
        value = self.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def integers(self, key: str) -> list[int]:
        """The value as llama.cpp reads it, whether one number or one a block: unsigned; [] when absent."""
        value = self.get(key)
        values: Iterable[object] = value if isinstance(value, Array) else [value]
        return [v & 0xFFFFFFFF for v in values if isinstance(v, int)]

    def floats(self) -> Iterator[tuple[str, float]]:
        """All floating-point numbers of the architecture."""
        for key, value in self._values.items():
            if key.startswith(self.prefix) and isinstance(value, float):
                yield key, value

    def is_scalar_of(self, key: str, *types: ValueType) -> bool:
        return self._types.get(self.prefix + key) in types


def _problems(numbers: _Numbers, tensors: Sequence[TensorInfo]) -> Iterator[str]:
    """Checks in order of how much later ones rely on earlier ones."""
    yield _size_problem(numbers, "context_length", _MAX_CONTEXT)
    yield _size_problem(numbers, "embedding_length", _MAX_EMBEDDING)
    yield _size_problem(numbers, "block_count", _MAX_BLOCKS)
    yield _blocks_problem(numbers, tensors)
    yield _embedding_problem(numbers, tensors)
    yield _heads_problem(numbers, tensors)
    yield _head_width_problem(numbers)
    yield _float_problem(numbers)
    yield _rope_problem(numbers)
    yield _experts_problem(numbers)


def _size_problem(numbers: _Numbers, key: str, most: int) -> str:
    value = numbers.get(key)
    if value is None:
        return f"{numbers.name(key)} is missing"
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or not numbers.is_scalar_of(key, ValueType.UINT32)
    ):
        return f"{numbers.name(key)} is not a whole number of the right type"
    if not 1 <= value <= most:
        return f"{numbers.name(key)} is {value}; sane are 1 to {most}"
    return ""


def _blocks_problem(numbers: _Numbers, tensors: Sequence[TensorInfo]) -> str:
    declared = numbers.integer("block_count") or 0
    found = 1 + max((int(m[1]) for t in tensors if (m := _BLOCK.match(t.name))), default=-1)
    strict = is_plain(numbers.architecture) or declared > _LLAMA_MAX_BLOCKS
    if found and declared != found and strict:
        return f"{numbers.name('block_count')} is {declared}, and the file has {found} blocks"
    if declared > _LLAMA_MAX_BLOCKS:
        return f"it has {declared} blocks; llama.cpp handles up to {_LLAMA_MAX_BLOCKS}"
    if (numbers.integer("nextn_predict_layers") or 0) > declared:
        return f"{numbers.name('nextn_predict_layers')} is larger than its number of blocks"
    return ""


def _heads_problem(numbers: _Numbers, tensors: Sequence[TensorInfo]) -> str:
    heads, shared = numbers.integer("attention.head_count"), numbers.integer("attention.head_count_kv")
    if heads is None or not any(_QUERY.match(tensor.name) for tensor in tensors):
        return ""  # heads differ by block, or this architecture has none
    if heads < 1:
        return f"{numbers.name('attention.head_count')} is {heads}"
    if shared is not None and (shared < 1 or heads % shared):
        return f"{numbers.name('attention.head_count_kv')} is {shared}, which does not divide {heads} heads"
    width = numbers.integer("embedding_length") or 0
    if numbers.get("attention.key_length") is None and width % heads:
        return f"{numbers.name('attention.head_count')} is {heads}, which does not divide the width {width}"
    return ""


def _head_width_problem(numbers: _Numbers) -> str:
    """Widths of keys, values and rotation, which llama.cpp's graphs assert of each other."""
    heads = numbers.integer("attention.head_count")
    if not heads or not is_plain(numbers.architecture):
        return ""
    usual = (numbers.integer("embedding_length") or 0) // heads
    widths = [numbers.get(f"attention.{name}_length") for name in ("key", "value")]
    key, value = (usual if width is None else width for width in widths)
    rotated = numbers.get("rope.dimension_count")
    if rotated is None:
        rotated = key
    elif not isinstance(rotated, int) or not isinstance(key, int) or not 0 < rotated <= key or rotated % 2:
        return f"{numbers.name('rope.dimension_count')} is {_shown(rotated)} for heads of {_shown(key)}"
    if numbers.architecture in _ROTATE_ALL and not key == value == rotated:
        return f"its heads are {_shown(key)} wide, with values of {_shown(value)}, rotated {_shown(rotated)}"
    return ""


def _float_problem(numbers: _Numbers) -> str:
    # llama.cpp's own writer stores 0 for the epsilons that an architecture does not use.
    epsilons = {key: value for key in _EPSILONS if (value := numbers.get(key)) is not None}
    used = any(isinstance(value, float) and value > 0 for value in epsilons.values())
    zero_is_fair = used or not is_plain(numbers.architecture)
    for key, value in epsilons.items():
        if not isinstance(value, float) or not (0 < value < math.inf or (value == 0 and zero_is_fair)):
            return f"{numbers.name(key)} is {_shown(value)}; it must be a positive float"
    for key in _ROPE_BASES:
        base = numbers.get(key)
        if base is not None and not (isinstance(base, float) and 0 < base < math.inf):
            return f"{numbers.name(key)} is {_shown(base)}; it must be a positive float"
    for name, number in numbers.floats():
        if math.isnan(number):
            return f"{quote(name)} is not a number"
    return ""


def _rope_problem(numbers: _Numbers) -> str:
    scaling = numbers.get("rope.scaling.type")
    if scaling is not None and scaling not in _ROPE_SCALING:  # llama.cpp aborts
        return f"{numbers.name('rope.scaling.type')} is {_shown(scaling)}, which llama.cpp does not know"
    return ""


def _experts_problem(numbers: _Numbers) -> str:
    if numbers.architecture.startswith("hunyuan"):
        return ""  # llama.cpp corrects these itself
    count = numbers.integer("expert_count") or 0
    used = max(numbers.integers("expert_used_count"), default=0)
    groups = numbers.integer("expert_group_count") or 0
    group_used = numbers.integer("expert_group_used_count") or 0
    if count > _MAX_EXPERTS:
        return f"it has {count} experts; llama.cpp handles up to {_MAX_EXPERTS}"
    if used > count or (count and used < 1):
        return f"{numbers.name('expert_used_count')} is {used} of {count} experts"
    if groups and groups >= count:
        return f"{numbers.name('expert_group_count')} is {groups} for {count} experts"
    if groups > 1 and (count % groups or not 0 < group_used < groups):
        return (
            f"{numbers.name('expert_group_count')} is {groups} for {count} experts, {group_used} groups used"
        )
    return ""


def _embedding_problem(numbers: _Numbers, tensors: Sequence[TensorInfo]) -> str:
    if not is_plain(numbers.architecture):
        return ""
    table = next((tensor for tensor in tensors if tensor.name == "token_embd.weight"), None)
    if table is None:
        return "the tensor token_embd.weight is missing"
    width, tokens = numbers.integer("embedding_length"), numbers.vocabulary
    if table.shape[:1] != (width,):
        return f"{numbers.name('embedding_length')} is {width}, and token_embd.weight is {table.shape_text}"
    if tokens is not None and table.shape[1:] != (tokens,):
        return f"its vocabulary has {tokens} tokens, and token_embd.weight is {table.shape_text}"
    return ""


def _shown(value: Value) -> str:
    if isinstance(value, str):
        return quote(value)
    return (
        f"{value:g}" if isinstance(value, float) else "an array" if isinstance(value, Array) else str(value)
    )
