"""How an answer came to be, as attributes of a transcript's elements, both ways and without loss.

What rarely changes (the model, the sampling parameters, whether to reason, versions) stands in a ``<model/>``
element before the first answer it holds for; what differs from answer to answer stands on the answer. Floats
are written as ``repr`` does, which ``float`` reads back exactly.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import quote, unquote

from chatcli.chat.message import FinishReason, Generation, ModelRef, Timings, Usage
from chatcli.errors import UsageError
from chatcli.sampling import SamplingParams

# The attribute that says how an answer ended; an answer without it has no provenance.
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
        return json.dumps(value, ensure_ascii=False)  # escapes would join two lone surrogates
    return value if isinstance(value, str) else repr(value)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a ``<model/>`` element says."""

    model: ModelRef
    parameters: SamplingParams = field(default_factory=SamplingParams)
    versions: Mapping[str, str] = field(default_factory=dict)
    thinking: bool | None = None


def model_attributes(generation: Generation) -> dict[str, str]:
    """The attributes of ``<model/>``: all sampling parameters but the seed, so that none is guessed."""
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
    """The answer element's attributes. Counts and times that are 0 are left out."""
    values = {} if generation.parameters.seed is None else {_SEED: str(generation.parameters.seed)}
    values[FINISH] = generation.finish_reason.value
    values |= {name: str(count) for name in _USAGE if (count := getattr(generation.usage, name))}
    for name, attribute in _TIMINGS.items():
        if seconds := getattr(generation.timings, name):
            values[attribute] = repr(seconds)
    return values


def model_facts(values: Mapping[str, str]) -> ModelFacts | None:
    """What a ``<model/>`` element says; None if one of its values makes no sense."""
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
    """How an answer came to be, from the ``<model/>`` before it and its own attributes.

    The attributes that were understood are taken out of ``values``. None, and nothing is taken, if the
    answer does not say how it ended, no model stands before it, or a value makes no sense.
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
