"""The sampling parameters of one answer, as a value that is validated, recorded and replayed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from chatcli.errors import UsageError

_RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0.0, 100.0),
    "top_k": (0, 1_000_000),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "typical_p": (0.0, 1.0),
    "repeat_penalty": (0.01, 100.0),
    "repeat_last_n": (-1, 1_000_000),
    "presence_penalty": (-100.0, 100.0),
    "frequency_penalty": (-100.0, 100.0),
    "dry_multiplier": (0.0, 100.0),
    "dry_base": (1.0, 100.0),
    "dry_allowed_length": (0, 1_000_000),
    "dry_penalty_last_n": (-1, 1_000_000),
    "xtc_probability": (0.0, 1.0),
    "xtc_threshold": (0.0, 1.0),
    "seed": (0, 2**32 - 2),
    "max_tokens": (1, 10_000_000),
}


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is chosen, in llama.cpp's terms and order. Neutral values switch a stage off.

    Attributes:
        temperature: 0 is greedy.
        top_k: 0 is off.
        top_p, min_p, typical_p: probabilities; 1, 0 and 1 are off.
        repeat_penalty: 1 is off; looks back over ``repeat_last_n`` tokens (-1: the whole context).
        dry_multiplier: 0 is off. See https://github.com/oobabooga/text-generation-webui/pull/5677.
        xtc_probability: 0 is off. See https://github.com/oobabooga/text-generation-webui/pull/6335.
        seed: None draws a fresh one, which is recorded with the answer.
        max_tokens: longest answer in tokens; None is as long as the context allows.
        stop: strings that end the answer and are not part of it.
        grammar: GBNF grammar that constrains the answer.

    Raises:
        UsageError: a value is out of range.
    """

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    typical_p: float = 1.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = -1
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    grammar: str | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:  # NaN fails both comparisons
                raise UsageError(f"{name} must be between {low:g} and {high:g}, not {value}")
        if "" in self.stop:
            raise UsageError("a stop string must not be empty")

    def with_seed(self, seed: int) -> "SamplingParams":
        """The same parameters with this seed."""
        return replace(self, seed=seed)
