"""llama.cpp's own samplers in its usual order, and the parameters that a model's maker recommends."""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chatcli.engine.llama.grammar import grammar_sampler
from chatcli.engine.llama.native import Native
from chatcli.errors import UsageError
from chatcli.sampling import SamplingParams

# https://github.com/ggml-org/llama.cpp/blob/master/src/llama-arch.cpp, LLM_KV_GENERAL_SAMPLING_*
_KEYS: dict[str, tuple[str, type[int] | type[float]]] = {
    "temperature": ("temp", float),
    "top_k": ("top_k", int),
    "top_p": ("top_p", float),
    "min_p": ("min_p", float),
    "repeat_penalty": ("penalty_repeat", float),
    "repeat_last_n": ("penalty_last_n", int),
    "xtc_probability": ("xtc_probability", float),
    "xtc_threshold": ("xtc_threshold", float),
}
_DRY_BREAKERS = (b"\n", b":", b'"', b"*")  # llama.cpp's defaults (common/common.h)


class Sampler:
    """Chooses the tokens of one answer.

    The order is that of llama.cpp's common/sampling.cpp: grammar, suppressed tokens, penalties, DRY, top-k,
    typical, top-p, min-p, XTC, temperature, draw. At temperature 0 the likeliest token after grammar,
    penalties and DRY is taken.

    Args:
        params: the parameters; ``seed`` must be set.
        context_size: the value of -1 in look-back lengths.
        prompt: ids of the prompt, on which the penalties look back too.

    Raises:
        UsageError: the grammar is invalid.
    """

    def __init__(
        self, native: Native, vocab: Any, params: SamplingParams, *, context_size: int, prompt: Sequence[int]
    ) -> None:
        self._lib = native.lib
        self._draw = self._lib.llama_sampler_sample
        self._grammar = grammar_sampler(native, vocab, params.grammar) if params.grammar is not None else None
        self._candidate = self._lib.llama_token_data()
        self._candidates = self._lib.llama_token_data_array(
            data=ctypes.pointer(self._candidate), size=1, selected=-1, sorted=False
        )
        chain_params = self._lib.llama_sampler_chain_default_params()
        chain_params.no_perf = True
        self._chain = self._lib.llama_sampler_chain_init(chain_params)
        if self._grammar is not None:
            self._add(self._constraint())
        self._add_suppressed(vocab)
        self._add_history(vocab, params, context_size, prompt)
        self._add_choice(params)

    def sample(self, context: Any) -> int | None:
        """Choose a token from the logits of the last decode. None if the grammar allows no token."""
        token: int = self._draw(self._chain, context, -1)
        return token if self._grammar is None or self._accept_by_grammar(token) else None

    def close(self) -> None:
        """Free the native samplers. Idempotent."""
        if self._chain:
            self._lib.llama_sampler_free(self._chain)
            self._chain = None
        if self._grammar:
            self._lib.llama_sampler_free(self._grammar)
            self._grammar = None

    def _add(self, sampler: Any) -> None:
        self._lib.llama_sampler_chain_add(self._chain, sampler)  # the chain frees it

    def _constraint(self) -> Any:
        """The grammar as a link of the chain that only filters.

        llama.cpp ends the process when a grammar has to accept a token that it forbids, which happens if it
        forbids all of them. So the chain gets the grammar without its ``accept``, and without ``free``
        because the state is shared. ``_accept_by_grammar`` asks before it accepts.
        """
        assert self._grammar is not None
        interface = type(self._grammar.contents.iface.contents).from_buffer_copy(
            self._grammar.contents.iface.contents
        )
        for name in ("accept", "free", "clone", "reset"):
            setattr(interface, name, type(getattr(interface, name))())
        self._interface = interface  # C keeps only the pointer
        return self._lib.llama_sampler_init(ctypes.pointer(interface), self._grammar.contents.ctx)

    def _accept_by_grammar(self, token: int) -> bool:
        self._candidate.id = token
        self._candidate.logit = 1.0
        self._lib.llama_sampler_apply(self._grammar, ctypes.byref(self._candidates))
        if self._candidate.logit == float("-inf"):
            return False
        self._lib.llama_sampler_accept(self._grammar, token)
        return True

    def _add_suppressed(self, vocab: Any) -> None:
        count = ctypes.c_int32()
        tokens = self._lib.llama_vocab_get_suppress_tokens(vocab, ctypes.byref(count))
        if count.value:
            biases = (self._lib.llama_logit_bias * count.value)()
            for i in range(count.value):
                biases[i].token, biases[i].bias = tokens[i], float("-inf")
            size = self._lib.llama_vocab_n_tokens(vocab)
            self._add(self._lib.llama_sampler_init_logit_bias(size, count.value, biases))  # copies the biases

    def _add_history(
        self, vocab: Any, params: SamplingParams, context_size: int, prompt: Sequence[int]
    ) -> None:
        """Add the samplers that look back, and feed them the prompt, as llama.cpp's own programs do."""
        penalised = params.repeat_penalty != 1 or params.presence_penalty or params.frequency_penalty
        penalty_reach = _reach(params.repeat_last_n, context_size) if penalised else 0
        dry_reach = _reach(params.dry_penalty_last_n, context_size) if params.dry_multiplier else 0
        if penalty_reach:
            size = self._lib.llama_vocab_n_tokens(vocab)
            repeat, often, present = params.repeat_penalty, params.frequency_penalty, params.presence_penalty
            self._add(self._lib.llama_sampler_init_penalties(size, penalty_reach, repeat, often, present))
        if dry_reach:
            breakers = (ctypes.c_char_p * len(_DRY_BREAKERS))(*_DRY_BREAKERS)
            dry = (params.dry_multiplier, params.dry_base, params.dry_allowed_length, dry_reach)
            self._add(self._lib.llama_sampler_init_dry(vocab, *dry, breakers, len(_DRY_BREAKERS)))
        for token in prompt[max(0, len(prompt) - max(penalty_reach, dry_reach)) :]:
            self._lib.llama_sampler_accept(self._chain, token)

    def _add_choice(self, params: SamplingParams) -> None:
        """Add the samplers that choose. With a neutral value llama.cpp makes one that does nothing."""
        lib = self._lib
        if params.temperature == 0:
            self._add(lib.llama_sampler_init_greedy())
            return
        self._add(lib.llama_sampler_init_top_k(params.top_k))
        self._add(lib.llama_sampler_init_typical(params.typical_p, 1))
        self._add(lib.llama_sampler_init_top_p(params.top_p, 1))
        self._add(lib.llama_sampler_init_min_p(params.min_p, 1))
        self._add(lib.llama_sampler_init_xtc(params.xtc_probability, params.xtc_threshold, 1, params.seed))
        self._add(lib.llama_sampler_init_temp(params.temperature))
        self._add(lib.llama_sampler_init_dist(params.seed))


def recommended_sampling(
    metadata: Callable[[str], str], defaults: Mapping[str, Any] | None = None
) -> SamplingParams:
    """The parameters that a model's maker recommends: those of the GGUF header, ``defaults``, our defaults.

    Args:
        metadata: returns a scalar of the header as text, empty if there is none.
        defaults: parameters recommended elsewhere, by name. The header overrides them.

    Raises:
        UsageError: a value of ``defaults`` is out of range.
    """
    params = SamplingParams(**(defaults or {}))
    for field, (key, kind) in _KEYS.items():
        text = metadata(f"general.sampling.{key}")
        try:
            change: dict[str, Any] = {field: kind(float(text))}
            params = replace(params, **change)
        except (ValueError, OverflowError, UsageError):  # absent, or nonsense in a stranger's file
            continue
    return params


def _reach(length: int, context_size: int) -> int:
    return context_size if length < 0 else min(length, context_size)
