"""Vocabularies for tests: small ones written here, with every trap we know, and llama.cpp's own where found.

``CHATCLI_LLAMA_CPP_SOURCE`` may name a llama.cpp source tree; its ``models/`` then adds 20 real vocabularies
and some 70 chat templates.
"""

import functools
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chatcli.engine.llama import native
from chatcli.engine.llama.vocabulary import Vocabulary

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6  # gguf.TokenType
Token = tuple[str, int]
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?'\"<>|_/-()[]{}=+*#&%$@äöéß日"
_WORDS = ("th", "he", "the", "in", "er", "an", "im", "end", "im_", "<|", "|>", "start", "ow", "are", "you")
_CONTROLS = ("<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|user|>", "<|assistant|>", "[INST]", "[/INST]")
OWN = ("spm", "spm-plain", "spm-phi-3", "bpe", "bpe-letters")


def source() -> Path | None:
    """The llama.cpp source tree, if the environment names one."""
    named = os.environ.get("CHATCLI_LLAMA_CPP_SOURCE")
    return Path(named) if named else None


def real_names() -> list[str]:
    """Names of the real vocabularies that were found."""
    root = source()
    found = sorted(root.glob("models/ggml-vocab-*.gguf")) if root else []
    return [path.stem.removeprefix("ggml-vocab-") for path in found]


def real_templates() -> list[Path]:
    """The real chat templates that were found."""
    root = source()
    return sorted(root.glob("models/templates/*.jinja")) if root else []


@functools.cache
def vocabulary(name: str) -> Vocabulary:
    """One of ``OWN`` or ``real_names()``, loaded once."""
    root = source()
    if name in OWN:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.gguf"
            _write(path, name)
            return Vocabulary(_load(path))
    assert root is not None
    return Vocabulary(_load(root / "models" / f"ggml-vocab-{name}.gguf"))


def _load(path: Path) -> Any:
    lib = native.load().lib
    params = lib.llama_model_default_params()
    params.vocab_only = True
    model = lib.llama_model_load_from_file(str(path).encode(), params)
    assert model, native.load().log.reason()
    return model


def _write(path: Path, name: str) -> None:
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    if name.startswith("bpe"):
        tokens, merges = _byte_level(name)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("default")
        writer.add_token_merges(merges)
        writer.add_add_bos_token(name == "bpe-letters")
    else:
        tokens = _sentence_piece(name)
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        # Longer words win, as in a trained vocabulary.
        writer.add_token_scores([float(len(text)) for text, _ in tokens])
        writer.add_add_space_prefix(name != "spm-plain")
        writer.add_add_bos_token(True)
    texts = [text for text, _ in tokens]
    writer.add_token_list(texts)
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_bos_token_id(texts.index("<s>"))
    writer.add_eos_token_id(texts.index("</s>"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def _sentence_piece(name: str) -> list[Token]:
    """Bytes as a fallback, ``▁`` for spaces; among the user-defined tokens single letters and runs."""
    tokens = [("<unk>", UNKNOWN), *((text, CONTROL) for text in _CONTROLS), ("<|endoftext|>", CONTROL)]
    tokens += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    defined = ["<think>", "</think>", "~", "Ω", "▁<MID>"]
    if name == "spm-plain":  # as Gemma's converter writes them
        defined += ["  ", "   ", "\n", "\n\n", "\n\n\n", "<table>"]
    tokens += [(text, USER_DEFINED) for text in defined]
    words = ["▁", *_LETTERS, *_WORDS, *("▁" + word for word in _WORDS), "▁<", "<MID", "▁<MID"]
    return tokens + [(word, NORMAL) for word in words]


def _byte_level(name: str) -> tuple[list[Token], list[str]]:
    """GPT-2's alphabet; some of its letters user-defined, as in DeepSeek's vocabularies."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = [chr(byte) for byte in plain] + [chr(256 + n) for n in range(256 - len(plain))]
    odd = {"ü", "ö", "À"} if name == "bpe-letters" else set()
    tokens = [(letter, USER_DEFINED if letter in odd else NORMAL) for letter in letters]
    merges: list[str] = []
    for word in ("the", "Ġthe", "Ġin", "er", "<|", "|>", "im", "end", "ĊĊ", "ĠĠ", "</", "Ã¼"):
        for n in range(1, len(word)):
            if (word[: n + 1], NORMAL) not in tokens:
                tokens.append((word[: n + 1], NORMAL))
                merges.append(f"{word[:n]} {word[n]}")
    tokens += [(text, CONTROL) for text in (*_CONTROLS, "<|endoftext|>")]
    defined = ["<think>", "</think>", "<|im", "日"]
    if name == "bpe-letters":
        defined += ["  ", "   ", "    ", "\t\t", "\n\n", "[PAD1]", "[PAD12]", "Ġthem"]
    return tokens + [(text, USER_DEFINED) for text in defined], merges


def special_pieces(of: Vocabulary) -> Sequence[str]:
    """The special pieces that are text, in an order that does not change."""
    return sorted(piece.decode() for piece in of.special_pieces if _is_text(piece))


def _is_text(piece: bytes) -> bool:
    try:
        return bool(piece.decode())
    except UnicodeDecodeError:
        return False
