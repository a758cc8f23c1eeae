"""Log-probabilities and embeddings of given texts, computed in a context of their own.

The chat's context computes one row of logits in a decode and holds the memory of the chat. Scoring needs a
row for each token of the continuation and must not disturb that memory. So it makes a context that is as
large as its tokens, and frees it afterwards.
"""

import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from chatcli.engine.llama.loading import LoadedModel, context_params
from chatcli.errors import ModelError

_MOST_LOGITS = 64 * 2**20  # bytes of the logits of one decode; a row of 150,000 tokens takes 0.6 MB

#: Attaches the adapter in use to another context of the same model.
Adapt = Callable[[Any], None]


def log_probabilities(loaded: LoadedModel, ids: Sequence[int], first: int, adapt: Adapt) -> list[float]:
    """Natural log-probabilities of the tokens from index ``first`` on, which is at least 1."""
    import numpy as np

    lib = loaded.native.lib
    width = lib.llama_vocab_n_tokens(loaded.vocab)
    size = loaded.batch_size
    rows = max(1, min(size, _MOST_LOGITS // (4 * width)))
    found: list[float] = []
    with _context(loaded, len(ids), adapt, n_batch=size, n_ubatch=size, n_outputs_max=rows) as context:
        for start in range(0, first - 1, size):
            _decode(loaded, context, ids[start : min(start + size, first - 1)])
        for start in range(first - 1, len(ids) - 1, rows):
            end = min(start + rows, len(ids) - 1)
            _decode(loaded, context, ids[start:end], outputs=True)
            pointer = lib.llama_get_logits(context)
            logits = np.ctypeslib.as_array(pointer, shape=(end - start, width)).astype(np.float64)
            logits -= logits.max(axis=1, keepdims=True)
            told = logits[np.arange(end - start), ids[start + 1 : end + 1]]
            found += (told - np.log(np.exp(logits).sum(axis=1))).tolist()
    return found


def embedding(loaded: LoadedModel, ids: Sequence[int], adapt: Adapt) -> list[float]:
    """The mean of the last hidden states of a text, or the model's own pooling; a vector of length 1."""
    lib, count = loaded.native.lib, len(ids)
    own = loaded.metadata(f"{loaded.architecture}.pooling_type")
    pooling = lib.LLAMA_POOLING_TYPE_UNSPECIFIED if own else lib.LLAMA_POOLING_TYPE_MEAN
    # All in one batch, since pooling sees one batch at a time.
    way = {"n_batch": count, "n_ubatch": count, "embeddings": True, "pooling_type": pooling}
    with _context(loaded, count, adapt, **way) as context:
        _decode(loaded, context, ids, outputs=True)
        vector = lib.llama_get_embeddings_seq(context, 0)
        if not vector:
            raise ModelError("this model gives no embedding of a text")
        values: list[float] = vector[: lib.llama_model_n_embd(loaded.model)]
    length = math.hypot(*values) or 1.0
    return [value / length for value in values]


@contextmanager
def _context(loaded: LoadedModel, size: int, adapt: Adapt, **way: Any) -> Iterator[Any]:
    """A context for so many tokens, with the adapter in use and further fields of its parameters."""
    native = loaded.native
    params = context_params(native.lib, loaded.options)
    params.n_ctx = size
    for name, value in way.items():
        setattr(params, name, value)
    native.log.clear()
    context = native.lib.llama_init_from_model(loaded.model, params)
    if not context:
        raise ModelError(f"no second context of {size} tokens: {native.log.reason()}")
    try:
        adapt(context)
        yield context
    finally:
        native.lib.llama_free(context)


def _decode(loaded: LoadedModel, context: Any, ids: Sequence[int], *, outputs: bool = False) -> None:
    native, count = loaded.native, len(ids)
    tokens, wanted = (ctypes.c_int32 * count)(*ids), (ctypes.c_int8 * count)(*[outputs] * count)
    batch = native.lib.llama_batch_get_one(tokens, count)  # C keeps only the pointers
    batch.logits = wanted
    code = native.lib.llama_decode(context, batch)
    if code:
        raise ModelError(f"the model cannot score this text (llama_decode: {code}): {native.log.reason()}")
