"""Messages and how an answer came to be: frozen values. Ids and files belong to conversation and storage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from chatcli.sampling import SamplingParams


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class FinishReason(StrEnum):
    """Why an answer ended."""

    END = "end"  # the model ended its turn
    STOP = "stop"  # a stop string of the user's
    LENGTH = "length"  # max_tokens, or the context is full
    INTERRUPTED = "interrupted"  # the user stopped it; the part that came is kept
    ERROR = "error"  # the engine failed; the part that came is kept


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which weights answered, precisely enough to load them again or to tell them apart.

    Attributes:
        name: what the user calls it.
        file: file name without folders (a path would leak who the user is).
        sha256: of the whole file, hex; empty while not known.
        architecture, quantization: as the GGUF header says (``llama``, ``Q8_0``).
        template: sha256 of the chat template's text, hex; empty for the transcript format.
        adapter: sha256 of a LoRA adapter; empty without one.
        projector: sha256 of the file that lets it see pictures; empty where it cannot.
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
        prompt_tokens: length of the whole prompt.
        cached_tokens: leading prompt tokens that were already in the KV cache.
        decoded_tokens: prompt tokens that had to be decoded; cached + decoded = prompt, or less where the
            answer was stopped while its prompt was read.
        completion_tokens: tokens generated, the end-of-turn token included.
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
        prompt: reading the prompt, until the first token could be sampled.
        first_token: from the request to the first token.
        generation: from the first token to the last.
    """

    prompt: float = 0.0
    first_token: float = 0.0
    generation: float = 0.0


@dataclass(frozen=True, slots=True)
class Generation:
    """How an answer came to be.

    Attributes:
        parameters: the sampling parameters; ``seed`` is the one really used.
        versions: of the programs that took part, by name.
        thinking: whether the model was asked to reason, as ``Engine.generate`` was told; None: not said, its
            template's default.
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
    """A picture in a message: which one it is, and how to get at it when a model shall see it.

    Attributes:
        sha256: of its file's bytes, hex.
        name: of its file, without folders (a path would leak who the user is).
        read: gives the bytes, or raises a ``ChatcliError``; None: nothing knows where they are. No part of
            what the picture is, so it does not count when two are compared.
    """

    sha256: str
    name: str
    read: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        role: who speaks.
        content: the words, exactly. Any Unicode string.
        reasoning: the model's "thinking", kept apart from its answer; None: none.
        generation: how an answer came to be; None for what a person wrote or a file lacks.
        pictures: what the words are about; a model is shown them before the words.
    """

    role: Role
    content: str
    reasoning: str | None = None
    generation: Generation | None = None
    pictures: tuple[Picture, ...] = ()


def system(content: str) -> Message:
    """A system prompt."""
    return Message(Role.SYSTEM, content)


def user(content: str, *pictures: Picture) -> Message:
    """A message of the user's."""
    return Message(Role.USER, content, pictures=pictures)


def assistant(content: str, reasoning: str | None = None) -> Message:
    """An answer without provenance."""
    return Message(Role.ASSISTANT, content, reasoning)
