"""The sampling parameters a model's maker recommends in the GGUF header."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

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


def recommended_sampling(
    metadata: Callable[[str], str], defaults: Mapping[str, Any] | None = None
) -> SamplingParams:
    """The defaults, changed by every recommendation that is a sane value.

    Args:
        metadata: gives the text of a header's scalar, ``""`` where there is none.
        defaults: what is recommended elsewhere, by parameter; the header goes before it.

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
