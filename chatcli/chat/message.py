"""Messages and how answers were generated: frozen values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from chatcli.sampling import SamplingParams


class Role(StrEnum):
    """Who a message is from."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class FinishReason(StrEnum):
    """Why an answer ended."""

    END = "end"  # the model ended its turn
    STOP = "stop"  # one of the user's stop strings
    LENGTH = "length"  # max_tokens, or the context is full
    INTERRUPTED = "interrupted"  # the user stopped it; what had come is kept
    ERROR = "error"  # the engine failed; what had come is kept


@dataclass(frozen=True, slots=True)
class ModelRef:
    """The model that answered, precisely enough to load it again or to tell two apart.

    Attributes:
        file: file name without folders, because a path could reveal who the user is.
        sha256: of the whole file, hex; empty while unknown.
        architecture, quantization: from the GGUF header (``llama``, ``Q8_0``).
        template: sha256 of the chat template, hex; empty for the transcript format.
        adapter, projector: sha256 of the LoRA adapter and of the projector; empty without one.
    """

    name: str
    file: str = ""
    sha256: str = ""
    architecture: str = ""
    quantization: str = ""
    template: str = ""
    adapter: str = ""
    adapter_scale: float = 1.0
    context_size: int = 0
    projector: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one answer; all 0 if the engine does not count tokens.

    Attributes:
        cached_tokens: leading prompt tokens that were already in the KV cache.
        decoded_tokens: prompt tokens that were decoded; cached + decoded = prompt, or less if the answer
            was stopped during the prompt.
        completion_tokens: generated tokens, the end-of-turn token included.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    decoded_tokens: int = 0
    completion_tokens: int = 0

    @property
    def is_counted(self) -> bool:
        """Whether the engine counted tokens: no prompt is empty."""
        return self.prompt_tokens > 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall times of one answer, in seconds.

    Attributes:
        prompt: from the request until the first token could be sampled.
        first_token: from the request to the first token.
        generation: from the first token to the last.
    """

    prompt: float = 0.0
    first_token: float = 0.0
    generation: float = 0.0


@dataclass(frozen=True, slots=True)
class Generation:
    """How an answer was generated.

    Attributes:
        thinking: whether the model was asked to reason; None if its template's default was used.
    """

    model: ModelRef
    finish_reason: FinishReason
    parameters: SamplingParams = field(default_factory=SamplingParams)
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    versions: Mapping[str, str] = field(default_factory=dict)
    thinking: bool | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in a message.

    Attributes:
        sha256: of the file's bytes, hex.
        name: file name without folders, because a path could reveal who the user is.
        read: returns the bytes or raises a ``ChatcliError``; None if they cannot be had. Not compared.
    """

    sha256: str
    name: str
    read: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    role: Role
    content: str
    reasoning: str | None = None
    generation: Generation | None = None
    pictures: tuple[Picture, ...] = ()


def system(content: str) -> Message:
    """A system prompt."""
    return Message(Role.SYSTEM, content)


def user(content: str, *pictures: Picture) -> Message:
    """A message from the user."""
    return Message(Role.USER, content, pictures=pictures)


def assistant(content: str, reasoning: str | None = None) -> Message:
    """An answer without a record of how it was generated."""
    return Message(Role.ASSISTANT, content, reasoning)
