"""The same work without chatcli: a bare loop over llama.cpp's functions, and the binding's own stream."""

import ctypes
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcli.engine.llama import native


@dataclass(frozen=True, slots=True)
class Work:
    """What everyone has to do.

    Attributes:
        model: the GGUF file.
        prompt: token ids that are read first.
        tokens: how many tokens to generate.
        context_size, threads, batch_size: as ``LoadOptions``.
        repack: use llama.cpp's extra buffer types.
    """

    model: Path
    prompt: tuple[int, ...]
    tokens: int
    context_size: int
    threads: int
    batch_size: int
    repack: bool


def bare_loop(work: Work, *, text: bool) -> float:
    """Tokens per second of ``llama_decode``, a default sampler chain and, with ``text``, the pieces.

    Without text it is what llama-bench measures, plus sampling.
    """
    lib = native.load().lib
    model_params = lib.llama_model_default_params()
    model_params.use_extra_bufts = work.repack
    model = lib.llama_model_load_from_file(str(work.model).encode(), model_params)
    params = lib.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_ubatch = work.context_size, work.batch_size, work.batch_size
    params.n_threads = params.n_threads_batch = work.threads
    context = lib.llama_init_from_model(model, params)
    vocab = lib.llama_model_get_vocab(model)
    chain = _default_chain(lib)
    ids = (ctypes.c_int32 * work.batch_size)()
    for start in range(0, len(work.prompt), work.batch_size):
        piece = work.prompt[start : start + work.batch_size]
        ids[: len(piece)] = list(piece)
        assert lib.llama_decode(context, lib.llama_batch_get_one(ids, len(piece))) == 0
    buffer = ctypes.create_string_buffer(256)
    one = lib.llama_batch_get_one(ids, 1)
    start_time = 0.0
    for done in range(work.tokens):
        token = lib.llama_sampler_sample(chain, context, -1)
        if text:
            lib.llama_token_to_piece(vocab, token, buffer, 256, 0, True)
        if not done:
            start_time = time.perf_counter()
        ids[0] = token
        assert lib.llama_decode(context, one) == 0
    rate = work.tokens / (time.perf_counter() - start_time)
    lib.llama_sampler_free(chain)
    lib.llama_free(context)
    lib.llama_model_free(model)
    return rate


def binding_stream(work: Work) -> float:
    """Tokens per second of ``Llama.create_completion(stream=True)``."""
    lib = native.load().lib
    # The class has no argument for the extra buffer types; its parameters come from this function.
    original = lib.llama_cpp.llama_model_default_params

    def defaults() -> Any:
        params = original()
        params.use_extra_bufts = work.repack
        return params

    lib.llama_cpp.llama_model_default_params = defaults
    try:
        model = lib.Llama(
            str(work.model),
            n_ctx=work.context_size,
            n_batch=work.batch_size,
            n_ubatch=work.batch_size,
            n_threads=work.threads,
            n_threads_batch=work.threads,
            verbose=False,
        )
    finally:
        lib.llama_cpp.llama_model_default_params = original

    def generate(tokens: int) -> None:
        for _ in model.create_completion(
            list(work.prompt), max_tokens=tokens, temperature=0.7, top_k=40, seed=1, stream=True
        ):
            pass

    generate(1)  # reads the prompt, which the second call finds in the cache
    start = time.perf_counter()
    generate(work.tokens)
    generated = model.n_tokens - len(work.prompt)
    rate = generated / (time.perf_counter() - start)
    model.close()
    return float(rate)


def _default_chain(lib: Any) -> Any:
    chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    for sampler in (
        lib.llama_sampler_init_top_k(40),
        lib.llama_sampler_init_top_p(0.95, 1),
        lib.llama_sampler_init_min_p(0.05, 1),
        lib.llama_sampler_init_temp(0.7),
        lib.llama_sampler_init_dist(1),
    ):
        lib.llama_sampler_chain_add(chain, sampler)
    return chain
