"""Every way we know to make one thing in a model file wrong."""

import math
from collections.abc import Iterator
from dataclasses import replace

from tests.engine.gguf_files import (
    ARRAY,
    BOOL,
    F32,
    F64,
    I32,
    I64,
    STRING,
    U8,
    U16,
    U32,
    U64,
    File,
    Tensor,
)

Mutation = tuple[str, File]

_NUMBERS = (
    *((U32, value) for value in (0, 1, 2, 3, 5, 63, 65, 1000, 2**31 - 1, 2**31, 2**32 - 1)),
    *((I32, value) for value in (-1, 0, 7)),
    *((F32, value) for value in (0.0, -1.0, 1e-30, 1e30, math.nan, math.inf, -math.inf)),
    (U8, 2),
    (U16, 2),
    (U64, 2**64 - 1),
    (I64, -(2**63)),
    (F64, math.nan),
    (BOOL, 0),
    (BOOL, 255),
)
_OTHERS: tuple[tuple[int, object], ...] = (
    (STRING, ""),
    (STRING, "linear"),
    (STRING, "\x00"),
    (STRING, b"\xff\xfe"),
    (STRING, "x" * 5000),
    (ARRAY, (STRING, [])),
    (ARRAY, (STRING, ["", ""])),
    (ARRAY, (I32, [])),
    (ARRAY, (I32, [0, -1])),
    (ARRAY, (U32, [2, 2])),
    (ARRAY, (U32, [2**32 - 1] * 3)),
    (ARRAY, (F32, [math.nan, 1.0])),
    (ARRAY, (BOOL, [1, 0])),
    (ARRAY, (U8, [0] * 9)),
)
# Keys a plain model lacks; each gets all values above too.
_ABSENT = (
    *("attention.key_length", "attention.value_length", "attention.sliding_window", "attention.causal"),
    *("attention.clamp_kqv", "attention.max_alibi_bias", "attention.scale", "attention.layer_norm_epsilon"),
    *("expert_count", "expert_used_count", "expert_group_count", "expert_weights_scale", "pooling_type"),
    *("logit_scale", "nextn_predict_layers", "embedding_length_out", "rope.scaling.original_context_length"),
    *("rope.scaling.attn_factor", "rope.dimension_sections", "residual_scale", "embedding_scale"),
    *("attention.sliding_window_pattern", "final_logit_softcapping", "attn_logit_softcapping"),
)
_ABSENT_PLAIN = (
    *("general.alignment", "general.type", "general.quantization_version", "adapter.type", "split.no"),
    *("split.count", "split.tensors.count", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.unknown_token_id"),
    *(
        "tokenizer.ggml.add_eos_token",
        "tokenizer.ggml.precompiled_charsmap",
        "tokenizer.ggml.suppress_tokens",
    ),
    *("tokenizer.ggml.token_type_count", "tokenizer.ggml.add_space_prefix", "tokenizer.ggml.mask_token_id"),
)
_WORDS = {
    "tokenizer.ggml.model": (
        "llama",
        "bert",
        "t5",
        "rwkv",
        "plamo2",
        "no_vocab",
        "none",
        "gemma4",
        "whitespace",
    ),
    "tokenizer.ggml.pre": (
        "default",
        "llama-bpe",
        "qwen2",
        "tekken",
        "kimi-k2",
        "gpt-4o",
        "superbpe",
        "nonsense",
    ),
    "general.architecture": ("qwen2", "clip", "bert", "mamba", "t5", "rwkv6", "gpt2", "imatrix", "nonsense"),
    "general.type": ("model", "adapter", "mmproj", "imatrix"),
    "rope.scaling.type": ("none", "yarn", "longrope", "nonsense"),
}
_FORMATS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    9: (32, 36),
}
_FORMATS |= {
    20: (32, 18),
    24: (1, 1),
    25: (1, 2),
    26: (1, 4),
    27: (1, 8),
    28: (1, 8),
    30: (1, 2),
    39: (32, 17),
}


def key_mutations(model: File, *, only_numbers: bool = False) -> Iterator[Mutation]:
    """Every key removed, given another type, and every value senseless; keys that are absent added."""
    prefix = str(model.get("general.architecture").value) + "."
    present = [str(key.name) for key in model.keys]
    for name in present:
        yield f"{name} removed", model.without_key(name)
    for name in [*present, *(prefix + name for name in _ABSENT), *_ABSENT_PLAIN]:
        yield from value_mutations(model, name, only_numbers=only_numbers)
    for name, words in _WORDS.items():
        full = name if name in present or name.startswith("general") else prefix + name
        for word in words:
            yield f"{full} = {word}", model.with_key(full, STRING, word)


def value_mutations(model: File, name: str, *, only_numbers: bool = False) -> Iterator[Mutation]:
    """A key with every type and every senseless value."""
    for kind, value in _NUMBERS if only_numbers else (*_NUMBERS, *_OTHERS):
        yield f"{name} = {_shown(kind, value)}", model.with_key(name, kind, value)


def vocabulary_mutations(model: File) -> Iterator[Mutation]:
    """Tokens, their types, scores and merges made wrong."""
    key = "tokenizer.ggml.tokens"
    words = list(model.get(key).value[1])
    variants: dict[str, list[str | bytes]] = {
        "one less": words[:-1],
        "one more": [*words, "more"],
        "twice the same": [*words[:-1], words[0]],
        "two empty": ["", "", *words[2:]],
        "all empty": [""] * len(words),
        "with NUL": ["a\x00b", *words[1:]],
        "equal up to NUL": ["zz\x00b", "zz\x00c", *words[2:]],
        "not UTF-8": [b"\xff\xfe\xfd", *words[1:]],
        "half a character": [b"\xe2\x82", *words[1:]],
        "very long": ["z" * 100_000, *words[1:]],
        "without bytes": [f"word{i}" for i in range(len(words))],
        "named like the empty": ["[EMPTY_1]", "", *words[2:]],
    }
    for name, tokens in variants.items():
        yield f"tokens {name}", model.with_key(key, ARRAY, (STRING, tokens))
        if len(tokens) == len(words):
            for kind in ("llama", "bert", "t5", "rwkv", "plamo2"):
                other = model.with_key("tokenizer.ggml.model", STRING, kind)
                yield f"tokens {name}, {kind}", other.with_key(key, ARRAY, (STRING, tokens))
    for value in (-1, 0, 2, 3, 4, 5, 6, 7, 99, 2**31 - 1):
        types = [value] * len(words)
        changed = model.with_key("tokenizer.ggml.token_type", ARRAY, (I32, types))
        yield f"all token types {value}", changed
        for kind in ("llama", "t5", "rwkv"):
            yield f"all token types {value}, {kind}", changed.with_key("tokenizer.ggml.model", STRING, kind)
    for score in (math.nan, math.inf, -1e30):
        scores = (F32, [score] * len(words))
        yield f"all scores {score}", model.with_key("tokenizer.ggml.scores", ARRAY, scores)
    for merges in (["t  h"], ["th"], [""], ["t h"] * 1000, ["absent tokens"], [b"\xff \xfe"], [" "]):
        yield f"merges {str(merges)[:20]}", model.with_key("tokenizer.ggml.merges", ARRAY, (STRING, merges))


def tensor_mutations(model: File) -> Iterator[Mutation]:
    """Every tensor missing, renamed, in another shape, format or place."""
    seen: set[str] = set()
    for tensor in model.tensors:
        kind = tensor.name.replace("blk.1.", "blk.0.")
        if kind in seen:
            continue  # one block is as good as another
        seen.add(kind)
        yield f"{tensor.name} missing", model.without_tensor(tensor.name)
        for what, changed in _tensor_variants(tensor):
            variant = replace(
                model, tensors=tuple(changed if t.name == tensor.name else t for t in model.tensors)
            )
            yield f"{tensor.name} {what}", variant


def _tensor_variants(tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    yield "renamed", replace(tensor, name=tensor.name + "x")
    yield "in block 7", replace(tensor, name=tensor.name.replace("blk.0", "blk.7"))
    for offset in (1, 32, 2**40, 2**63, 2**64 - 32):
        yield f"at {offset}", replace(tensor, offset=offset)
    for shape in ((), (0,), (1,), (0, 0), (2**63,), (2**32, 2**32), (2**62, 4), (64, 64, 64), (1, 1, 1, 1)):
        yield f"shape {shape} only", replace(tensor, shape=shape)
    yield "flat", replace(tensor, shape=(math.prod(tensor.shape),))
    yield "turned", replace(tensor, shape=tensor.shape[::-1])
    yield "with a third dimension", replace(tensor, shape=(*tensor.shape, 1, 1)[:4])
    for number in (4, 31, 43, 255, 2**31, 2**32 - 1):
        yield f"format {number}", replace(tensor, type=number)
    elements, row = math.prod(tensor.shape), tensor.shape[0]
    for number, (block, bytes_) in _FORMATS.items():
        if row % block == 0 and number != tensor.type:
            yield (
                f"really in format {number}",
                replace(tensor, type=number, data=bytes(elements // block * bytes_)),
            )
    yield "zeros", replace(tensor, data=bytes(len(tensor.data)))
    yield "ones", replace(tensor, data=b"\xff" * len(tensor.data))
    yield "shortened", replace(tensor, data=tensor.data[: len(tensor.data) // 2])


def _shown(kind: int, value: object) -> str:
    return f"type {kind}: {str(value)[:30]!r}"


def all_mutations(model: File) -> Iterator[Mutation]:
    """All of them: thousands."""
    yield from key_mutations(model)
    yield from vocabulary_mutations(model)
    yield from tensor_mutations(model)
