"""The engine protocol: what every engine does, and what only some engines can do.

Every engine answers a conversation as a stream of typed events. Everything else is an optional capability
with a protocol of its own, such as ``CountsTokens``. A caller asks ``isinstance(engine, CountsTokens)``
and says what it does without.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from chatcli.chat.message import Generation, Message, ModelRef
from chatcli.sampling import SamplingParams

#: Called while a model loads with the share that is done, 0 to 1; None: an unknown file is tried first.
Progress = Callable[[float | None], None]
#: Called with one line that the user should know about a model that loads.
Tell = Callable[[str], None]


class Cancellation:
    """A flag that any thread or signal handler may set, and that C code can read without the GIL.

    ``flag[0]`` becomes 1 and the rest stays 0, so the buffer is also a C string of length 0 or 1. ``Tape``
    hands it to llama.cpp's abort callback.
    """

    __slots__ = ("flag",)

    def __init__(self) -> None:
        self.flag = bytearray(2)

    def set(self) -> None:
        """Ask the engine to stop. Idempotent, and safe in a signal handler."""
        self.flag[0] = 1

    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return bool(self.flag[0])


@dataclass(frozen=True, slots=True)
class PromptToken:
    """One token of a prompt."""

    id: int  # negative for a part of a picture
    text: str  # of a picture's parts, the first has its name and the others are empty
    special: bool  # a control or user-defined token, or a part of a picture


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt that a model would read, and the indices of the messages that do not fit the context."""

    text: str
    tokens: tuple[PromptToken, ...]
    left_out: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The messages at these indices do not fit the context; the model does not read them."""

    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unseen:
    """The model reads only the names of some pictures. ``reason`` says why, as a clause."""

    names: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return f"the model does not see {', '.join(self.names)}: {self.reason}"


@dataclass(frozen=True, slots=True)
class PromptProgress:
    """How many tokens of the prompt have been read. ``cached`` of them were in memory already."""

    done: int
    total: int
    cached: int


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer: whole characters, never part of a stop string."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of the model's reasoning, without its delimiters."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every answer, also of one that was interrupted."""

    generation: Generation


#: Every event before the last one.
Coming = LeftOut | Unseen | PromptProgress | TextDelta | ReasoningDelta
Event = Coming | Finished


class Engine(Protocol):
    """A model that is ready to answer. One answer at a time; only ``Cancellation`` is thread-safe."""

    #: The model in use. Fields that the engine does not know stay empty.
    model: ModelRef
    #: Tokens that prompt and answer share; 0 if unknown.
    context_size: int
    #: The sampling parameters that the model's maker recommends, or the defaults.
    recommended: SamplingParams

    def generate(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        *,
        cancel: Cancellation | None = None,
        thinking: bool | None = None,
    ) -> Iterator[Event]:
        """Answer the last message, as a stream of events that ends with ``Finished``.

        Closing the iterator early stops the answer too. An engine that does not count tokens leaves
        ``Generation.usage`` empty.

        Args:
            messages: the conversation, oldest first. If the last one is an assistant's, it is continued.
            cancel: set it from any thread to stop. What came is valid, and ``Finished`` says interrupted.
            thinking: for templates that know ``enable_thinking``; None leaves their default.

        Raises:
            ContextOverflow: the system prompt and the last message alone do not fit; nothing was decoded.
            TemplateError: the chat template fails.
            ModelError: the engine reports a failure.
        """
        ...

    def close(self) -> None:
        """Free the model. Idempotent."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@runtime_checkable
class CountsTokens(Protocol):
    """An engine that builds the prompt itself, so that its tokens are known before anything is read."""

    def prompt(
        self, messages: Sequence[Message], params: SamplingParams, *, thinking: bool | None = None
    ) -> Prompt:
        """Build the prompt that ``generate`` would read; decode nothing. Errors as ``generate``."""
        ...


@runtime_checkable
class KeepsState(Protocol):
    """An engine whose memory of a conversation can be saved, so that resuming reads new messages only."""

    @property
    def state_conditions(self) -> str:
        """Everything that a saved state depends on: model, settings, versions."""
        ...

    def save_state(self) -> memoryview | None:
        """Copy the memory of the last prompt and answer. None if there is nothing that can be saved."""
        ...

    def load_state(self, blob: bytes | memoryview) -> bool:
        """Replace the memory with a saved one; returns whether the blob is usable.

        A damaged blob, or one saved under other conditions, changes nothing.
        """
        ...


@runtime_checkable
class SeesPictures(Protocol):
    """An engine that can show pictures to a model, if the model has a projector."""

    @property
    def no_vision_reason(self) -> str:
        """Why the model cannot see pictures, as a clause; empty if it can."""
        ...


@runtime_checkable
class ScoresText(Protocol):
    """An engine that tells how likely a given text is."""

    def score(
        self, messages: Sequence[Message], continuation: str, *, thinking: bool | None = None
    ) -> list[float]:
        """Natural log-probabilities of a continuation's tokens after the prompt. Errors as ``generate``.

        The continuation is an answer, or the rest of one if the last message is an assistant's.
        """
        ...


@runtime_checkable
class EmbedsText(Protocol):
    """An engine that turns a text into a vector."""

    def embed(self, text: str) -> list[float]:
        """The embedding of a text, a vector of length 1. Errors as ``generate``."""
        ...


@runtime_checkable
class TakesAdapter(Protocol):
    """An engine that can put a LoRA adapter on top of the model's weights."""

    def set_adapter(self, path: Path | None, *, scale: float = 1.0, sha256: str = "") -> None:
        """Attach an adapter in place of the present one. None returns to the model's own weights.

        Args:
            path: a GGUF adapter made for this model.
            scale: strength of the adapter; 1 as it was trained.
            sha256: checksum of the file, for the records.

        Raises:
            ModelNotFound: no such file.
            ModelError: the adapter cannot be used with this model; the present one stays.
        """
        ...


@runtime_checkable
class HasChatTemplate(Protocol):
    """An engine whose chat template can be shown."""

    @property
    def chat_template(self) -> str:
        """Source of the chat template; empty if the model continues a transcript instead."""
        ...


def no_vision_reason(engine: Engine) -> str:
    """Why an engine cannot see pictures, as a clause; empty if it can. Most engines read text only."""
    return engine.no_vision_reason if isinstance(engine, SeesPictures) else "this engine reads text only"
