"""How an answer was generated, to and from attributes of a transcript's elements, without loss.

What rarely changes (model, sampling parameters, thinking, versions) stands in a ``<model/>`` element before
the first answer it applies to; the rest stands on each answer. Floats are written with ``repr``, which
``float`` reads back exactly.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import quote, unquote

from chatcli.chat.message import FinishReason, Generation, ModelRef, Timings, Usage
from chatcli.errors import UsageError
from chatcli.sampling import SamplingParams

# Attribute that says how an answer ended; an answer without it has no provenance.
FINISH = "stop"
_SEED, _THINKING, _VERSION = "seed", "thinking", "version."
_BOOLS = {"true": True, "false": False}
_USAGE = ("prompt_tokens", "cached_tokens", "decoded_tokens", "completion_tokens")
_TIMINGS = {"prompt": "prompt_seconds", "first_token": "first_token_seconds", "generation": "seconds"}


def _strings(text: str) -> tuple[str, ...]:
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("not a list of strings")
    return tuple(value)


_READ: Mapping[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    int | None: int,
    str | None: str,
    tuple[str, ...]: _strings,
}


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return json.dumps(value, ensure_ascii=False)  # escapes would merge two lone surrogates
    return value if isinstance(value, str) else repr(value)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The contents of a ``<model/>`` element."""

    model: ModelRef
    parameters: SamplingParams = field(default_factory=SamplingParams)
    versions: Mapping[str, str] = field(default_factory=dict)
    thinking: bool | None = None


def model_attributes(generation: Generation) -> dict[str, str]:
    """The attributes of ``<model/>``: everything but the seed, so that nothing has to be guessed."""
    model, default = generation.model, ModelRef("")
    values = {"name": model.name}
    for f in fields(ModelRef)[1:]:
        if (value := getattr(model, f.name)) != getattr(default, f.name):
            values[f.name] = _written(value)
    for f in fields(SamplingParams):
        value = getattr(generation.parameters, f.name)
        if f.name != _SEED and value is not None and value != ():
            values[f.name] = _written(value)
    if generation.thinking is not None:
        values[_THINKING] = str(generation.thinking).lower()
    for name, version in generation.versions.items():
        values[_VERSION + quote(name, safe="", errors="surrogatepass")] = version
    return values


def answer_attributes(generation: Generation) -> dict[str, str]:
    """The attributes of an answer. Counts and times of 0 are left out."""
    values = {} if generation.parameters.seed is None else {_SEED: str(generation.parameters.seed)}
    values[FINISH] = generation.finish_reason.value
    values |= {name: str(count) for name in _USAGE if (count := getattr(generation.usage, name))}
    for name, attribute in _TIMINGS.items():
        if seconds := getattr(generation.timings, name):
            values[attribute] = repr(seconds)
    return values


def model_facts(values: Mapping[str, str]) -> ModelFacts | None:
    """Parse the attributes of ``<model/>``; None if a value is invalid."""
    try:
        model = {f.name: _READ[f.type](values[f.name]) for f in fields(ModelRef) if f.name in values}
        sampling = {
            f.name: _READ[f.type](values[f.name])
            for f in fields(SamplingParams)
            if f.name in values and f.name != _SEED
        }
        versions = {
            unquote(name.removeprefix(_VERSION), errors="surrogatepass"): version
            for name, version in values.items()
            if name.startswith(_VERSION)
        }
        thinking = _BOOLS[values[_THINKING]] if _THINKING in values else None
        return ModelFacts(ModelRef(**model), SamplingParams(**sampling), versions, thinking)
    except (KeyError, ValueError, TypeError, RecursionError, UsageError):
        return None


def generation(facts: ModelFacts | None, values: dict[str, str]) -> Generation | None:
    """Parse the attributes of an answer, and remove from ``values`` those that were understood.

    Returns None and changes nothing if the answer does not say how it ended, no model is known, or a value
    is invalid.
    """
    if facts is None or FINISH not in values:
        return None
    try:
        parameters = facts.parameters
        if _SEED in values:
            parameters = replace(parameters, seed=int(values[_SEED]))
        result = Generation(
            facts.model,
            FinishReason(values[FINISH]),
            parameters,
            Usage(*(int(values.get(name, "0")) for name in _USAGE)),
            Timings(*(float(values.get(name, "0")) for name in _TIMINGS.values())),
            facts.versions,
            facts.thinking,
        )
    except (ValueError, UsageError):
        return None
    for name in (_SEED, FINISH, *_USAGE, *_TIMINGS.values()):
        values.pop(name, None)
    return result
