"""Checks a model's vocabulary: its parallel arrays, the ids that end a turn, the embedding table's size."""

from collections.abc import Sequence

from chatcli.engine.gguf.header import Array, Header, TensorInfo, ValueType
from chatcli.engine.gguf.reader import quote

_NO_VOCABULARY = ("no_vocab", "none")
_NO_TOKEN = 2**32 - 1  # -1 as an unsigned number: some converters write it for "there is none"
_PARALLEL = {
    "tokenizer.ggml.scores": (ValueType.FLOAT32, ValueType.INT32),
    "tokenizer.ggml.token_type": (ValueType.INT32,),
}
_TURN_IDS = ("tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id")


def vocabulary_problem(header: Header, tensors: Sequence[TensorInfo]) -> str:
    """What is wrong with the vocabulary, in words; '' when nothing is.

    Args:
        header: of the model's first file, which holds the vocabulary.
        tensors: of all its files.
    """
    model = header.string("tokenizer.ggml.model")
    if not model:
        return "it has no tokenizer (tokenizer.ggml.model is missing)"
    if model in _NO_VOCABULARY:
        return ""
    tokens = header.array("tokenizer.ggml.tokens")
    if tokens is None or tokens.type != ValueType.STRING or not len(tokens):
        return "it has no vocabulary (tokenizer.ggml.tokens)"
    return (
        _arrays_problem(header, tokens)
        or _ids_problem(header, len(tokens))
        or _embedding_problem(tensors, len(tokens))
        or _duplicate_problem(tokens)
    )


def _arrays_problem(header: Header, tokens: Array) -> str:
    for key, types in _PARALLEL.items():
        if key not in header.metadata:
            continue
        values = header.array(key)
        if values is None or values.type not in types:
            return f"{key} is not an array of numbers"
        if len(values) != len(tokens):
            return f"{key} has {len(values)} entries for {len(tokens)} tokens"
    return ""


def _ids_problem(header: Header, count: int) -> str:
    for key in _TURN_IDS:
        if key not in header.metadata:
            continue
        number = header.integer(key)
        if number is None:
            return f"{key} is not a number"
        if number != _NO_TOKEN and not 0 <= number < count:
            return f"{key} is {number}, and the vocabulary has {count} tokens"
    return ""


def _embedding_problem(tensors: Sequence[TensorInfo], count: int) -> str:
    table = next((tensor for tensor in tensors if tensor.name == "token_embd.weight"), None)
    if table is not None and len(table.shape) == 2 and table.shape[1] != count:
        return f"it has embeddings for {table.shape[1]} tokens, and the vocabulary has {count}"
    return ""


def _duplicate_problem(tokens: Array) -> str:
    """llama.cpp aborts when two tokens are the same text; it reads C strings and names empty ones itself."""
    seen: set[bytes] = set()
    for number, raw in enumerate(tokens.strings()):
        piece = raw.partition(b"\0")[0] if 0 in raw else raw
        piece = piece or b"[EMPTY_%d]" % number
        if piece in seen:
            return f"its vocabulary has the token {quote(piece.decode('utf-8', 'replace'))!r} twice"
        seen.add(piece)
    return ""
