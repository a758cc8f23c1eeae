"""What every engine offers: a typed event stream for an answer, and the prompt it would read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from chatcli.chat.message import Generation, Message, ModelRef
from chatcli.sampling import SamplingParams

#: Called while a model loads with the share that is done, 0 to 1; None: an unknown file is tried first.
Progress = Callable[[float | None], None]


class Cancellation:
    """A flag that any thread or signal handler may set, and that C code can read without the GIL.

    ``flag[0]`` becomes 1; the rest stays 0, so that the buffer is also a C string of length 0 or 1
    (engine/decode.py hands it to llama.cpp's abort callback).
    """

    __slots__ = ("flag",)

    def __init__(self) -> None:
        self.flag = bytearray(2)

    def set(self) -> None:
        """Ask the engine to stop; idempotent, safe in a signal handler."""
        self.flag[0] = 1

    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return bool(self.flag[0])


@dataclass(frozen=True, slots=True)
class PromptToken:
    """One token of a prompt.

    Attributes:
        id: its number in the vocabulary; negative: it is a part of a picture.
        text: what it stands for; incomplete UTF-8 is shown with replacement characters. Of a picture's parts
            the first has the picture's name, the others have none.
        special: a control or user-defined token, or a part of a picture. Only the template can produce one.
    """

    id: int
    text: str
    special: bool


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model would read.

    Attributes:
        text: the rendered template.
        tokens: its tokens, in order.
        left_out: indices of the given messages that did not fit the context.
    """

    text: str
    tokens: tuple[PromptToken, ...]
    left_out: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Some oldest messages do not fit the context and are not seen by the model.

    Attributes:
        indices: their places in the sequence given to ``generate``.
    """

    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unseen:
    """The model is told the names of some pictures only, since it cannot see them.

    Attributes:
        names: of the pictures.
        reason: why, as a clause.
    """

    names: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return f"the model does not see {', '.join(self.names)}: {self.reason}"


@dataclass(frozen=True, slots=True)
class PromptProgress:
    """How much of the prompt has been read, in tokens; ``cached`` of them needed no work."""

    done: int
    total: int
    cached: int


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer. Whole characters only, never part of a stop string."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of the model's reasoning, without its delimiters."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every answer, interrupted ones included."""

    generation: Generation


#: What comes of an answer before its end.
Coming = LeftOut | Unseen | PromptProgress | TextDelta | ReasoningDelta
Event = Coming | Finished


class Engine(Protocol):
    """A model that is ready to answer. One answer at a time; not thread-safe but for ``Cancellation``."""

    @property
    def model(self) -> ModelRef:
        """The model in use."""
        ...

    @property
    def context_size(self) -> int:
        """Tokens that prompt and answer share."""
        ...

    @property
    def recommended(self) -> SamplingParams:
        """What the model's maker recommends (GGUF ``general.sampling.*``), else the defaults."""
        ...

    @property
    def blindness(self) -> str:
        """Why it cannot see pictures, as a clause; empty: it can."""
        ...

    def prompt(
        self, messages: Sequence[Message], params: SamplingParams, *, thinking: bool | None = None
    ) -> Prompt:
        """The prompt ``generate`` would read for the same arguments; decodes nothing.

        Raises:
            ContextOverflow: as ``generate``.
            TemplateError: as ``generate``.
        """
        ...

    def generate(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        *,
        cancel: Cancellation | None = None,
        thinking: bool | None = None,
    ) -> Iterator[Event]:
        """Answer the last message, as a stream of events that ends with ``Finished``.

        Args:
            messages: the conversation, oldest first. If the last is an assistant's, its text is continued.
            params: sampling parameters.
            cancel: set it, from any thread, to stop; what came is valid and ``Finished`` says interrupted.
            thinking: passed to templates that know ``enable_thinking``; None leaves their default.

        Closing the iterator early stops the answer too.

        Raises:
            ContextOverflow: the system prompt and the last message alone do not fit; nothing was decoded.
            TemplateError: the template fails or exceeds its bounds.
            ModelError: llama.cpp reports a failure.
        """
        ...

    @property
    def state_conditions(self) -> str:
        """What a state must have been saved under to be loaded: model, settings, versions."""
        ...

    def save_state(self) -> memoryview | None:
        """What the engine remembers of the last prompt and answer; None: nothing that could be saved."""
        ...

    def load_state(self, blob: bytes | memoryview) -> bool:
        """Remember what was saved, in place of what is remembered; returns whether the blob is good for that.

        A blob that is damaged or of other conditions changes nothing.
        """
        ...

    def close(self) -> None:
        """Free the model; idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
