"""Writes small GGUF files with random weights: real models to llama.cpp, whose answers mean nothing.

The vocabulary has one token a byte and no merges, so that a text of n bytes is n tokens in every test.
"""

from pathlib import Path
from typing import Any

import gguf
import numpy as np

LONG_PIECE = "=" * 100
USER_DEFINED = ("<think>", "</think>")
CONTROL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
TILES = ("<fake_token_around_image>", "<global-img>", "\n\n")
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WIDTH = 64
_EMBEDDING, _LAYERS, _HEADS, _FEED_FORWARD = WIDTH, 2, 4, 96
_INNER, _STATE, _KERNEL, _RANK = 128, 16, 4, 4


def pieces() -> list[str]:
    """The vocabulary, in the order of its ids, in GPT-2's printable spelling of bytes."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    letters = [chr(byte if byte in keep else next(spare)) for byte in range(256)]
    return [*letters, LONG_PIECE, *USER_DEFINED, *CONTROL]


def token(piece: str) -> int:
    """The id of a piece."""
    return pieces().index(piece)


def write_llama(path: Path, *, template: str | None = CHATML, context_length: int = 2048) -> Path:
    """Write a two-layer llama model."""
    return _write_transformer(path, "llama", template, context_length)


def write_tiled_llama(path: Path) -> Path:
    """The same with the tokens that idefics3's projector puts around the tiles of a picture."""
    return _write_transformer(path, "llama", CHATML, 2048, TILES)


def write_qwen2vl(path: Path) -> Path:
    """Write a model whose positions have several dimensions (M-RoPE): those of a picture overlap."""
    return _write_transformer(path, "qwen2vl", CHATML, 2048)


def _write_transformer(
    path: Path, architecture: str, template: str | None, context_length: int, more: tuple[str, ...] = ()
) -> Path:
    writer, tensor = _start(path, architecture, template, context_length, _LAYERS, more)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_EMBEDDING // _HEADS)
    if architecture == "qwen2vl":
        writer.add_rope_dimension_sections([2, 3, 3, 0])
    for i in range(_LAYERS):
        block = f"blk.{i}."
        tensor(block + "attn_norm.weight", _EMBEDDING, ones=True)
        tensor(block + "ffn_norm.weight", _EMBEDDING, ones=True)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensor(f"{block}{name}.weight", _EMBEDDING, _EMBEDDING)
        tensor(block + "ffn_gate.weight", _FEED_FORWARD, _EMBEDDING)
        tensor(block + "ffn_up.weight", _FEED_FORWARD, _EMBEDDING)
        tensor(block + "ffn_down.weight", _EMBEDDING, _FEED_FORWARD)
    return _finish(writer, path)


def write_mamba(path: Path) -> Path:
    """Write a two-layer mamba model, whose memory is a state that cannot be cut."""
    writer, tensor = _start(path, "mamba", CHATML, 2048, _LAYERS)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_ssm_conv_kernel(_KERNEL)
    writer.add_ssm_inner_size(_INNER)
    writer.add_ssm_state_size(_STATE)
    writer.add_ssm_time_step_rank(_RANK)
    writer.add_layer_norm_rms_eps(1e-5)
    for i in range(_LAYERS):
        block = f"blk.{i}."
        tensor(block + "attn_norm.weight", _EMBEDDING, ones=True)
        tensor(block + "ssm_in.weight", 2 * _INNER, _EMBEDDING)
        tensor(block + "ssm_conv1d.weight", _INNER, _KERNEL)
        tensor(block + "ssm_conv1d.bias", _INNER)
        tensor(block + "ssm_x.weight", _RANK + 2 * _STATE, _INNER)
        tensor(block + "ssm_dt.weight", _INNER, _RANK)
        tensor(block + "ssm_dt.bias", _INNER)
        tensor(block + "ssm_a", _INNER, _STATE, negative=True)
        tensor(block + "ssm_d", _INNER, ones=True)
        tensor(block + "ssm_out.weight", _EMBEDDING, _INNER)
    return _finish(writer, path)


def write_gemma(path: Path) -> Path:
    """Write a model most of whose layers see a sliding window of 32 tokens."""
    layers = 6  # every sixth layer of this architecture sees everything
    writer, tensor = _start(path, "gemma3", CHATML, 4096, layers)
    head = _EMBEDDING // _HEADS
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_sliding_window(32)
    for i in range(layers):
        block = f"blk.{i}."
        for name in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"):
            tensor(f"{block}{name}.weight", _EMBEDDING, ones=True)
        for name in ("attn_q_norm", "attn_k_norm"):
            tensor(f"{block}{name}.weight", head, ones=True)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensor(f"{block}{name}.weight", _EMBEDDING, _EMBEDDING)
        tensor(block + "ffn_gate.weight", _FEED_FORWARD, _EMBEDDING)
        tensor(block + "ffn_up.weight", _FEED_FORWARD, _EMBEDDING)
        tensor(block + "ffn_down.weight", _EMBEDDING, _FEED_FORWARD)
    return _finish(writer, path)


def write_lfm2(path: Path) -> Path:
    """Write a hybrid: one layer with a recurrent state, one with a KV cache."""
    writer, tensor = _start(path, "lfm2", CHATML, 2048, _LAYERS)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv([0, _HEADS])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_shortconv_l_cache(3)
    for i in range(_LAYERS):
        block = f"blk.{i}."
        for name in ("attn_norm", "ffn_norm"):
            tensor(f"{block}{name}.weight", _EMBEDDING, ones=True)
        tensor(block + "ffn_gate.weight", _FEED_FORWARD, _EMBEDDING)
        tensor(block + "ffn_up.weight", _FEED_FORWARD, _EMBEDDING)
        tensor(block + "ffn_down.weight", _EMBEDDING, _FEED_FORWARD)
    tensor("blk.0.shortconv.conv.weight", _EMBEDDING, 3)
    tensor("blk.0.shortconv.in_proj.weight", 3 * _EMBEDDING, _EMBEDDING)
    tensor("blk.0.shortconv.out_proj.weight", _EMBEDDING, _EMBEDDING)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        tensor(f"blk.1.{name}.weight", _EMBEDDING, _EMBEDDING)
    for name in ("attn_q_norm", "attn_k_norm"):
        tensor(f"blk.1.{name}.weight", _EMBEDDING // _HEADS, ones=True)
    return _finish(writer, path)


def write_bert(path: Path) -> Path:
    """Write a one-layer encoder, which embeds and cannot chat."""
    writer, tensor = _start(path, "bert", None, 64, 1)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_layer_norm_eps(1e-5)
    writer.add_causal_attention(False)
    writer.add_token_type_count(2)
    tensor("token_types.weight", 2, _EMBEDDING)
    tensor("position_embd.weight", 64, _EMBEDDING)
    for name in ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"):
        tensor(f"{name}.weight", _EMBEDDING, ones=True)
        tensor(f"{name}.bias", _EMBEDDING)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        tensor(f"blk.0.{name}.weight", _EMBEDDING, _EMBEDDING)
        tensor(f"blk.0.{name}.bias", _EMBEDDING)
    for name, rows, columns in (
        ("ffn_up", _FEED_FORWARD, _EMBEDDING),
        ("ffn_down", _EMBEDDING, _FEED_FORWARD),
    ):
        tensor(f"blk.0.{name}.weight", rows, columns)
        tensor(f"blk.0.{name}.bias", rows)
    return _finish(writer, path)


def write_adapter(path: Path) -> Path:
    """Write a LoRA adapter for ``write_llama``'s model that changes its answers."""
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 8.0)
    random = np.random.default_rng(11)
    name = "blk.0.ffn_down.weight"
    writer.add_tensor(f"{name}.lora_a", random.standard_normal((4, _FEED_FORWARD)).astype(np.float32))
    writer.add_tensor(f"{name}.lora_b", random.standard_normal((_EMBEDDING, 4)).astype(np.float32))
    return _finish(writer, path)


def _start(
    path: Path,
    architecture: str,
    template: str | None,
    context_length: int,
    layers: int,
    more: tuple[str, ...] = (),
) -> tuple[Any, Any]:
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_name(path.stem)
    writer.add_block_count(layers)
    writer.add_context_length(context_length)
    writer.add_embedding_length(_EMBEDDING)
    writer.add_file_type(0)
    words = [*pieces(), *more]
    writer.add_vocab_size(len(words))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(words)
    plain = len(words) - len(USER_DEFINED) - len(CONTROL) - len(more)
    writer.add_token_types([1] * plain + [4] * len(USER_DEFINED) + [3] * (len(CONTROL) + len(more)))
    writer.add_token_merges([f"{words[0]} {words[1]}"])  # llama.cpp asks for one; its result is not a token
    writer.add_eos_token_id(words.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    if template is not None:
        writer.add_chat_template(template)
    random = np.random.default_rng(7)

    def tensor(name: str, *shape: int, ones: bool = False, negative: bool = False) -> None:
        values = np.ones(shape) if ones else random.standard_normal(shape) * 0.2
        writer.add_tensor(name, (-np.abs(values) if negative else values).astype(np.float32))

    tensor("token_embd.weight", len(words), _EMBEDDING)
    if architecture != "bert":
        last_norm = "token_embd_norm.weight" if architecture == "lfm2" else "output_norm.weight"
        tensor(last_norm, _EMBEDDING, ones=True)
    return writer, tensor


def _finish(writer: Any, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
