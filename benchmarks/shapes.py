"""Writes GGUF files of real models' shapes without their weights: holes in the file, which read as zeros.

llama.cpp allocates for them what it would for the real ones, and the disk holds a few kilobytes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

_Q8_0, _F32 = gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F32


@dataclass(frozen=True)
class Shape:
    """Sizes of a model.

    Attributes:
        keys: more numbers of the header, below the architecture's prefix.
        tied: the output is the token embedding.
        block: names and sizes (outputs, inputs) of a block's tensors beyond norms and the plain feed-forward
            part; given the block's number.
        dense: the block has a plain feed-forward part.
    """

    architecture: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int
    block: Callable[["Shape", int], Mapping[str, tuple[int, ...]]]
    keys: Mapping[str, Any]
    tied: bool = True
    dense: bool = True


def write(path: Path, shape: Shape) -> Path:
    """Write the file."""
    writer = gguf.GGUFWriter(str(path), shape.architecture)
    prefix = shape.architecture + "."
    numbers = {
        "context_length": 32768,
        "embedding_length": shape.width,
        "block_count": shape.layers,
        "feed_forward_length": shape.feed_forward,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "vocab_size": shape.vocabulary,
    }
    if shape.head:
        numbers |= {"attention.key_length": shape.head, "attention.value_length": shape.head}
    for key, value in (numbers | dict(shape.keys)).items():
        if isinstance(value, list):
            writer.add_array(prefix + key, value)
        elif isinstance(value, float):
            writer.add_float32(prefix + key, value)
        else:
            writer.add_uint32(prefix + key, value)
    writer.add_float32(prefix + "attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_file_type(7)
    writer.add_tokenizer_model("no_vocab")
    size = 0
    for name, sizes in _tensors(shape).items():
        quantized = len(sizes) > 1 and sizes[-1] % 32 == 0 and "ssm_a" not in name and "conv" not in name
        elements = int(np.prod(sizes))
        bytes_ = elements // 32 * 34 if quantized else elements * 4
        writer.add_tensor_info(name, list(sizes), np.dtype(np.float32), bytes_, _Q8_0 if quantized else _F32)
        size += -(-bytes_ // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        file.truncate(-(-path.stat().st_size // 32) * 32 + size)
    return path


def _tensors(shape: Shape) -> dict[str, tuple[int, ...]]:
    width = shape.width
    tensors: dict[str, tuple[int, ...]] = {"token_embd.weight": (shape.vocabulary, width)}
    last = "token_embd_norm" if shape.architecture == "lfm2" else "output_norm"
    tensors[f"{last}.weight"] = (width,)
    if not shape.tied:
        tensors["output.weight"] = (shape.vocabulary, width)
    for i in range(shape.layers):
        block = {"attn_norm.weight": (width,), **shape.block(shape, i)}
        if shape.dense:
            block |= {
                "ffn_gate.weight": (shape.feed_forward, width),
                "ffn_up.weight": (shape.feed_forward, width),
                "ffn_down.weight": (width, shape.feed_forward),
            }
        tensors |= {f"blk.{i}.{name}": sizes for name, sizes in block.items()}
    return tensors


def _attention(shape: Shape, _block: int) -> dict[str, tuple[int, ...]]:
    return {
        "ffn_norm.weight": (shape.width,),
        "attn_q.weight": (shape.heads * shape.head, shape.width),
        "attn_k.weight": (shape.kv_heads * shape.head, shape.width),
        "attn_v.weight": (shape.kv_heads * shape.head, shape.width),
        "attn_output.weight": (shape.width, shape.heads * shape.head),
    }


def _normed(shape: Shape, block: int) -> dict[str, tuple[int, ...]]:
    norms = {"attn_q_norm.weight": (shape.head,), "attn_k_norm.weight": (shape.head,)}
    return _attention(shape, block) | norms


def _gemma3(shape: Shape, block: int) -> dict[str, tuple[int, ...]]:
    more = {"post_attention_norm.weight": (shape.width,), "post_ffw_norm.weight": (shape.width,)}
    return _normed(shape, block) | more


def _experts(shape: Shape, block: int) -> dict[str, tuple[int, ...]]:
    count, inner = shape.keys["expert_count"], shape.keys["expert_feed_forward_length"]
    return _normed(shape, block) | {
        "ffn_gate_inp.weight": (count, shape.width),
        "ffn_gate_exps.weight": (count, inner, shape.width),
        "ffn_up_exps.weight": (count, inner, shape.width),
        "ffn_down_exps.weight": (count, shape.width, inner),
    }


def _latent(shape: Shape, _block: int) -> dict[str, tuple[int, ...]]:
    rank, heads = shape.keys["attention.kv_lora_rank"], shape.heads
    return {
        "ffn_norm.weight": (shape.width,),
        "attn_q.weight": (heads * 192, shape.width),
        "attn_kv_a_mqa.weight": (rank + 64, shape.width),
        "attn_kv_a_norm.weight": (rank,),
        "attn_k_b.weight": (heads, rank, 128),
        "attn_v_b.weight": (heads, 128, rank),
        "attn_output.weight": (shape.width, heads * 128),
    }


def _delta_net(shape: Shape, block: int) -> dict[str, tuple[int, ...]]:
    post = {"post_attention_norm.weight": (shape.width,)}
    if block % 4 == 3:
        attention = _normed(shape, block) | {"attn_q.weight": (2 * shape.heads * shape.head, shape.width)}
        del attention["ffn_norm.weight"]
        return attention | post
    state, heads = shape.keys["ssm.state_size"], shape.keys["ssm.time_step_rank"]
    groups, inner = shape.keys["ssm.group_count"], shape.keys["ssm.inner_size"]
    mixed = 2 * groups * state + inner
    return post | {
        "attn_qkv.weight": (mixed, shape.width),
        "attn_gate.weight": (inner, shape.width),
        "ssm_conv1d.weight": (mixed, shape.keys["ssm.conv_kernel"]),
        "ssm_dt.bias": (heads,),
        "ssm_a": (heads,),
        "ssm_beta.weight": (heads, shape.width),
        "ssm_alpha.weight": (heads, shape.width),
        "ssm_norm.weight": (state,),
        "ssm_out.weight": (shape.width, inner),
    }


def _mamba(shape: Shape, _block: int) -> dict[str, tuple[int, ...]]:
    inner, state, rank = (shape.keys[f"ssm.{k}"] for k in ("inner_size", "state_size", "time_step_rank"))
    return {
        "ssm_in.weight": (2 * inner, shape.width),
        "ssm_conv1d.weight": (inner, shape.keys["ssm.conv_kernel"]),
        "ssm_conv1d.bias": (inner,),
        "ssm_x.weight": (rank + 2 * state, inner),
        "ssm_dt.weight": (inner, rank),
        "ssm_dt.bias": (inner,),
        "ssm_a": (inner, state),
        "ssm_d": (inner,),
        "ssm_out.weight": (shape.width, inner),
    }


def _short_convolution(shape: Shape, block: int) -> dict[str, tuple[int, ...]]:
    if shape.keys["attention.head_count_kv"][block]:
        return _normed(shape, block)
    return {
        "ffn_norm.weight": (shape.width,),
        "shortconv.conv.weight": (shape.width, 3),
        "shortconv.in_proj.weight": (3 * shape.width, shape.width),
        "shortconv.out_proj.weight": (shape.width, shape.width),
    }


_MOE = {"expert_count": 64, "expert_used_count": 8, "expert_feed_forward_length": 768}
_LATENT = {
    "attention.kv_lora_rank": 512,
    "attention.key_length": 576,
    "attention.value_length": 512,
    "attention.key_length_mla": 192,
    "attention.value_length_mla": 128,
    "rope.dimension_count": 64,
    "leading_dense_block_count": 27,
    "expert_count": 0,
    "expert_feed_forward_length": 1408,
    "expert_shared_count": 2,
}
_DELTA = {
    "ssm.conv_kernel": 4,
    "ssm.inner_size": 2048,
    "ssm.state_size": 128,
    "ssm.time_step_rank": 16,
    "ssm.group_count": 16,
    "rope.dimension_sections": [11, 11, 10, 0],
    "rope.dimension_count": 64,
}
_MAMBA = {"ssm.conv_kernel": 4, "ssm.inner_size": 1536, "ssm.state_size": 16, "ssm.time_step_rank": 48}
_LFM = {
    "shortconv.l_cache": 3,
    "attention.head_count_kv": [8 * (i in (2, 5, 8, 10, 12, 14)) for i in range(16)],
}

SHAPES: Mapping[str, Shape] = {
    "llama 1.2B": Shape("llama", 16, 2048, 8192, 32, 8, 64, 128256, _attention, {"rope.dimension_count": 64}),
    "llama 8B": Shape(
        "llama", 32, 4096, 14336, 32, 8, 128, 128256, _attention, {"rope.dimension_count": 128}, tied=False
    ),
    "qwen3 0.6B": Shape("qwen3", 28, 1024, 3072, 16, 8, 128, 151936, _normed, {}),
    "gemma3 1B": Shape(
        "gemma3", 26, 1152, 6912, 4, 1, 256, 262144, _gemma3, {"attention.sliding_window": 512}
    ),
    "qwen3moe, 8 blocks": Shape(
        "qwen3moe", 8, 2048, 6144, 32, 4, 128, 151936, _experts, _MOE, tied=False, dense=False
    ),
    "deepseek2 (MLA)": Shape("deepseek2", 27, 2048, 10944, 16, 1, 0, 102400, _latent, _LATENT, tied=False),
    "qwen35 0.8B (hybrid)": Shape("qwen35", 24, 1024, 3584, 8, 2, 256, 248320, _delta_net, _DELTA),
    "mamba 130M": Shape("mamba", 24, 768, 0, 0, 0, 0, 50280, _mamba, _MAMBA, dense=False),
    "lfm2 1.2B (hybrid)": Shape("lfm2", 16, 2048, 8192, 32, 8, 64, 65536, _short_convolution, _LFM),
}
