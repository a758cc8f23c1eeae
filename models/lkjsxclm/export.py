"""Write the network as a GGUF file for llama.cpp: Q8_0 matrices, tokenizer and chat template included."""

from pathlib import Path

import gguf
import numpy as np
from tokenizers import Tokenizer

from models.lkjsxclm import tokenizer as tokens
from models.lkjsxclm.network import Network

DESCRIPTION = (
    "A tiny demonstration model made by the chatcli project from its own transcripts, so that the program "
    "works offline and its tests run a real model. It answers about chatcli, language models and "
    "reinforcement learning, and declines the rest."
)
# Lower than chatcli's own default: the model is small enough that chance hurts it.
TEMPERATURE = 0.2


def write(network: Network, tokenizer: Tokenizer, path: Path) -> None:
    """Write ``network`` quantized to Q8_0 (norms stay F32) in llama.cpp's ``llama`` architecture.

    Args:
        network: trained; its rotary layout is llama.cpp's, so no row is permuted.
        tokenizer: from ``tokenizer.train``.
        path: the file to write.

    Raises:
        OSError: the file cannot be written.
    """
    writer = gguf.GGUFWriter(path, "llama")
    try:
        _describe(writer, network)
        _vocabulary(writer, tokenizer)
        for name, parameter in network.named_parameters():
            values = parameter.detach().numpy().astype(np.float32)
            if values.ndim == 1:
                writer.add_tensor(_name(name), values)
            else:
                kind = gguf.GGMLQuantizationType.Q8_0
                writer.add_tensor(_name(name), gguf.quants.quantize(values, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _describe(writer: gguf.GGUFWriter, network: Network) -> None:
    shape = network.shape
    writer.add_name(tokens.NAME)
    writer.add_author("The chatcli project")
    writer.add_license("MIT")
    writer.add_description(DESCRIPTION)
    writer.add_languages(["en"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_float32("general.sampling.temp", TEMPERATURE)


def _vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    vocabulary, merges = tokens.parts(tokenizer)
    control = set(tokens.CONTROL)
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(pieces)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if piece in control else gguf.TokenType.NORMAL for piece in pieces]
    )
    writer.add_token_merges([f"{left} {right}" for left, right in merges])
    writer.add_bos_token_id(tokens.PAD)
    writer.add_eos_token_id(tokens.END_ASSISTANT)
    writer.add_eot_token_id(tokens.END_ASSISTANT)
    writer.add_pad_token_id(tokens.PAD)
    writer.add_unk_token_id(tokens.PAD)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(tokens.CHAT_TEMPLATE)


def _name(parameter: str) -> str:
    """The GGUF name of one of the network's parameters."""
    fixed = {"embedding.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}
    if parameter in fixed:
        return fixed[parameter]
    _, block, *part, suffix = parameter.split(".")
    inside = {
        "attention_norm": "attn_norm",
        "attention.q": "attn_q",
        "attention.k": "attn_k",
        "attention.v": "attn_v",
        "attention.output": "attn_output",
        "ffn_norm": "ffn_norm",
        "gate": "ffn_gate",
        "up": "ffn_up",
        "down": "ffn_down",
    }
    return f"blk.{block}.{inside['.'.join(part)]}.{suffix}"
