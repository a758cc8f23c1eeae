"""Checks a model's vocabulary: its parallel arrays, the ids that end a turn, and its tokens."""

from chatcli.engine.gguf.header import Array, Header, ValueType
from chatcli.engine.gguf.reader import quote

_MAX_TOKEN = (
    8192  # bytes; real ones have up to about 1,000, and llama.cpp recurses once a byte with some tokenizers
)
_NO_VOCABULARY = ("no_vocab", "none")
_NO_TOKEN = 2**32 - 1  # -1 as an unsigned number: some converters write it for "there is none"
_PARALLEL = {
    "tokenizer.ggml.scores": (ValueType.FLOAT32, ValueType.INT32),
    "tokenizer.ggml.token_type": (ValueType.INT32,),
}
_TURN_IDS = ("tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id")


def vocabulary_problem(header: Header) -> str:
    """What is wrong with the vocabulary, in words; '' when nothing is.

    Args:
        header: of the model's first file, which holds the vocabulary.
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
        or _words_problem(tokens)
        or _bytes_problem(model, tokens)
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


def _words_problem(tokens: Array) -> str:
    """llama.cpp aborts when two tokens are the same text; it reads C strings and names empty ones itself."""
    seen: set[bytes] = set()
    for number, raw in enumerate(tokens.strings()):
        if len(raw) > _MAX_TOKEN:
            return f"its token {number} is {len(raw)} bytes long; more than {_MAX_TOKEN} are senseless"
        piece = raw.partition(b"\0")[0] if 0 in raw else raw
        piece = piece or b"[EMPTY_%d]" % number
        if piece in seen:
            return f"its vocabulary has the token {quote(piece.decode('utf-8', 'replace'))!r} twice"
        seen.add(piece)
    return ""


def _bytes_problem(model: str, tokens: Array) -> str:
    """Where a tokenizer falls back to single bytes, each must have a token: without, it may never end."""
    if model == "llama":
        spelt = {piece for piece in tokens.strings() if len(piece) in (1, 6)}
        missing = sum(
            b"<0x%02X>" % byte not in spelt and bytes([byte]) not in spelt for byte in range(1, 256)
        )
    elif model == "rwkv":
        spelt = {_unescaped(piece) for piece in tokens.strings() if len(piece) <= 4}
        missing = sum(bytes([byte]) not in spelt for byte in range(1, 256))
    else:
        return ""
    return f"its vocabulary lacks {missing} of the single bytes, which its tokenizer needs" if missing else ""


def _unescaped(piece: bytes) -> bytes:
    """What a short token of the RWKV tokenizer stands for; unprintable bytes are spelt with a backslash."""
    if not piece.startswith(b"\\"):
        return piece
    if len(piece) == 4 and piece[1:2] == b"x":
        try:
            return bytes.fromhex(piece[2:].decode("ascii"))
        except ValueError:
            return b""
    return {b"t": b"\t", b"n": b"\n", b"r": b"\r"}.get(piece[1:], piece[1:])
