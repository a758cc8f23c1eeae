"""A prompt and an answer as a judgement's record keeps them: the words, and how the answer came to be.

A record is read years later, by other programs, and about answers of models this program never saw: whatever
is not known is None and is left out of the file. Fields that a newer version added are kept in ``extra`` and
written back where they stood.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Protocol

import msgspec

from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Role, Timings, Usage
from chatcli.errors import UsageError
from chatcli.sampling import SamplingParams

#: The value of a sampling parameter.
Parameter = bool | int | float | str | tuple[str, ...] | None


class Part(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """A JSON object of the format.

    Attributes:
        extra: fields that this version does not know. In a file they stand among the others.
    """

    extra: dict[str, Any] = {}


class PromptPicture(Part, frozen=True, kw_only=True):
    """A picture in a message, without its bytes; the fields are those of ``chat.message.Picture``."""

    sha256: str
    name: str


class PromptMessage(Part, frozen=True, kw_only=True):
    """A message the model saw.

    Attributes:
        role: system, user or assistant; foreign data may know others.
        content: the words, exactly.
        reasoning: of an earlier answer; whether the model saw it depends on its template.
        pictures: what the words are about; whether the model saw them depends on its projector.
    """

    role: str
    content: str
    reasoning: str | None = None
    pictures: tuple[PromptPicture, ...] = ()


class Model(Part, frozen=True, kw_only=True):
    """Which weights answered; the fields are those of ``chat.message.ModelRef``."""

    name: str
    file: str | None = None
    sha256: str | None = None
    architecture: str | None = None
    quantization: str | None = None
    template: str | None = None
    adapter: str | None = None
    adapter_scale: float | None = None
    context_size: int | None = None
    projector: str | None = None


class TokenCounts(Part, frozen=True, kw_only=True):
    """Token counts of an answer; the fields are those of ``chat.message.Usage``."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    decoded_tokens: int | None = None
    completion_tokens: int | None = None


class Seconds(Part, frozen=True, kw_only=True):
    """Wall times of an answer; the fields are those of ``chat.message.Timings``."""

    prompt: float | None = None
    first_token: float | None = None
    generation: float | None = None


class Provenance(Part, frozen=True, kw_only=True):
    """How an answer came to be.

    Attributes:
        finish_reason: a value of ``chat.message.FinishReason``, or a foreign one.
        parameters: every sampling parameter by its name, the seed really used among them; those that are
            None (no limit, no grammar) are left out.
        thinking: whether the model was asked to reason; None: not said, or not known.
        versions: of the programs that took part, by name.
    """

    model: Model | None = None
    finish_reason: str | None = None
    parameters: dict[str, Parameter] | None = None
    thinking: bool | None = None
    usage: TokenCounts | None = None
    timings: Seconds | None = None
    versions: dict[str, str] = {}


class Answer(Part, frozen=True, kw_only=True):
    """What a model answered.

    Attributes:
        content: the words, exactly, without the reasoning.
        reasoning: the model's "thinking"; None: none.
        provenance: None: nothing is known.
    """

    content: str
    reasoning: str | None = None
    provenance: Provenance | None = None

    @property
    def model_name(self) -> str | None:
        """What the model is called, where that is known."""
        model = self.provenance.model if self.provenance else None
        return model.name if model else None

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ended, where that is known."""
        return self.provenance.finish_reason if self.provenance else None


def well_formed(text: str) -> str:
    """The text as UTF-8 can hold it and as a model is given it: lone surrogates become U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class Hashed(Protocol):
    """A picture, as far as it tells prompts apart."""

    @property
    def sha256(self) -> str:
        """Of its file's bytes, hex."""
        ...


class Asked(Protocol):
    """A message, as far as it tells prompts apart."""

    @property
    def role(self) -> str:
        """Who speaks."""
        ...

    @property
    def content(self) -> str:
        """The words."""
        ...

    @property
    def pictures(self) -> Sequence[Hashed]:
        """What they are about."""
        ...


def prompt_key(messages: Iterable[Asked]) -> str:
    """What tells prompts apart: two answers with the same key are answers to the same question.

    SHA-256, in hex, of the UTF-8 of a JSON array with an array ``[role, content]`` for each message, without
    spaces and with nothing escaped that JSON lets stand. After the content of a message with pictures come
    their ``sha256``. Reasoning does not count, nor do the names of pictures.
    """
    said = [[m.role, m.content, *(p.sha256 for p in m.pictures)] for m in messages]
    plain = [[well_formed(str(text)) for text in message] for message in said]
    return hashlib.sha256(msgspec.json.encode(plain)).hexdigest()


def prompt_of(messages: Iterable[PromptMessage | Message]) -> tuple[PromptMessage, ...]:
    """The messages a model saw, as a record keeps them."""
    return tuple(
        m
        if isinstance(m, PromptMessage)
        else PromptMessage(
            role=m.role.value,
            content=m.content,
            reasoning=m.reasoning,
            pictures=tuple(PromptPicture(sha256=p.sha256, name=p.name) for p in m.pictures),
        )
        for m in messages
    )


def answer_of(message: Answer | Message) -> Answer:
    """An answer of the chat's as a record keeps it."""
    if isinstance(message, Answer):
        return message
    generation = message.generation
    return Answer(
        content=message.content,
        reasoning=message.reasoning,
        provenance=None if generation is None else provenance_of(generation),
    )


def provenance_of(generation: Generation) -> Provenance:
    """How an answer came to be, as a record keeps it; ``generation_of`` undoes it."""
    model, usage, timings = generation.model, generation.usage, generation.timings
    parameters = {f.name: getattr(generation.parameters, f.name) for f in fields(SamplingParams)}
    scaled = bool(model.adapter) or model.adapter_scale != 1.0
    return Provenance(
        model=Model(
            name=model.name,
            file=model.file or None,
            sha256=model.sha256 or None,
            architecture=model.architecture or None,
            quantization=model.quantization or None,
            template=model.template or None,
            adapter=model.adapter or None,
            adapter_scale=model.adapter_scale if scaled else None,
            context_size=model.context_size or None,
            projector=model.projector or None,
        ),
        finish_reason=generation.finish_reason.value,
        parameters={name: value for name, value in parameters.items() if value is not None},
        thinking=generation.thinking,
        usage=TokenCounts(**{f.name: getattr(usage, f.name) for f in fields(Usage)}),
        timings=Seconds(**{f.name: getattr(timings, f.name) for f in fields(Timings)}),
        versions=dict(generation.versions),
    )


def generation_of(answer: Answer) -> Generation | None:
    """How an answer came to be, as the chat knows it.

    None if the record does not say which model answered and why it ended, or if a value is one this version
    cannot represent. Other things that are not known take the defaults of ``Generation``.
    """
    provenance = answer.provenance
    if provenance is None or provenance.model is None or provenance.finish_reason is None:
        return None
    known = {f.name for f in fields(SamplingParams)}
    parameters: dict[str, Any] = dict(provenance.parameters or {})
    try:
        return Generation(
            ModelRef(**_known(provenance.model)),
            FinishReason(provenance.finish_reason),
            SamplingParams(**{name: value for name, value in parameters.items() if name in known}),
            Usage(**_known(provenance.usage)),
            Timings(**_known(provenance.timings)),
            provenance.versions,
            provenance.thinking,
        )
    except (ValueError, TypeError, UsageError):
        return None


def message_of(answer: Answer) -> Message:
    """An answer as a message of the chat's."""
    return Message(Role.ASSISTANT, answer.content, answer.reasoning, generation_of(answer))


def _known(part: Part | None) -> dict[str, Any]:
    """The fields of a part that are known, by name."""
    if part is None:
        return {}
    values = msgspec.structs.asdict(part)
    return {name: value for name, value in values.items() if value is not None and name != "extra"}
