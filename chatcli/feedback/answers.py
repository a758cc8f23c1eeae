"""Prompts and answers in a record: the text, and the provenance of the answer.

A record is read years later, by other programs, about answers of models that this program never saw. So
whatever is not known is None and left out of the file. Fields of newer versions are kept in ``extra`` and
written back.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import msgspec

from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Role, Timings, Usage
from chatcli.errors import UsageError
from chatcli.sampling import SamplingParams

#: The value of a sampling parameter.
Parameter = bool | int | float | str | tuple[str, ...] | None


class RecordPart(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """Base of all JSON objects of the format.

    Attributes:
        extra: fields that this version does not know. In the file they stand among the others.
    """

    extra: dict[str, Any] = {}


class PromptPicture(RecordPart, frozen=True, kw_only=True):
    """A picture of a message, without its bytes; fields as in ``chat.message.Picture``."""

    sha256: str
    name: str


class PromptMessage(RecordPart, frozen=True, kw_only=True):
    """A message of a prompt.

    Attributes:
        role: system, user or assistant; imported data may have others.
        content: the exact text.
        reasoning: reasoning of an earlier answer; whether the model saw it depends on its template.
        pictures: pictures of the message; whether the model saw them depends on its projector.
    """

    role: str
    content: str
    reasoning: str | None = None
    pictures: tuple[PromptPicture, ...] = ()


class Model(RecordPart, frozen=True, kw_only=True):
    """The model that answered; fields as in ``chat.message.ModelRef``."""

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


class TokenCounts(RecordPart, frozen=True, kw_only=True):
    """Token counts of an answer; fields as in ``chat.message.Usage``."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    decoded_tokens: int | None = None
    completion_tokens: int | None = None


class Seconds(RecordPart, frozen=True, kw_only=True):
    """Wall times of an answer in seconds; fields as in ``chat.message.Timings``."""

    prompt: float | None = None
    first_token: float | None = None
    generation: float | None = None


class Provenance(RecordPart, frozen=True, kw_only=True):
    """How an answer was made.

    Attributes:
        finish_reason: a value of ``chat.message.FinishReason``, or another of imported data.
        parameters: sampling parameters by name, with the seed that was used; without those that are None.
        thinking: whether the model was asked to reason; None if it was not said or is not known.
        versions: versions of the programs, by name.
    """

    model: Model | None = None
    finish_reason: str | None = None
    parameters: dict[str, Parameter] | None = None
    thinking: bool | None = None
    usage: TokenCounts | None = None
    timings: Seconds | None = None
    versions: dict[str, str] = {}


class Answer(RecordPart, frozen=True, kw_only=True):
    """An answer of a model.

    Attributes:
        content: the exact text, without the reasoning.
        reasoning: the reasoning of the model, or None.
        provenance: how it was made, or None if nothing is known.
    """

    content: str
    reasoning: str | None = None
    provenance: Provenance | None = None

    @property
    def model_name(self) -> str | None:
        """Name of the model, or None if it is not known."""
        model = self.provenance.model if self.provenance else None
        return model.name if model else None

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ended, or None if it is not known."""
        return self.provenance.finish_reason if self.provenance else None


def well_formed(text: str) -> str:
    """The text with U+FFFD for lone surrogates, which UTF-8 cannot hold; a model is given the same."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def prompt_key(messages: Iterable[PromptMessage | Message]) -> str:
    """Identifies a prompt: answers with the same key answer the same question.

    The key is the SHA-256, in hex, of the UTF-8 of a JSON array with an array ``[role, content]`` for each
    message, without spaces and with as few escapes as JSON allows. The ``sha256`` of the pictures follow the
    content. Reasoning and the names of pictures do not count.
    """
    said = [[m.role, m.content, *(p.sha256 for p in m.pictures)] for m in messages]
    plain = [[well_formed(str(text)) for text in message] for message in said]
    return hashlib.sha256(msgspec.json.encode(plain)).hexdigest()


def prompt_of(messages: Iterable[PromptMessage | Message]) -> tuple[PromptMessage, ...]:
    """The messages of a prompt, as a record holds them."""
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
    """An answer of the chat, as a record holds it."""
    if isinstance(message, Answer):
        return message
    generation = message.generation
    return Answer(
        content=message.content,
        reasoning=message.reasoning,
        provenance=None if generation is None else provenance_of(generation),
    )


def provenance_of(generation: Generation) -> Provenance:
    """How an answer was made, as a record holds it; the inverse of ``generation_of``."""
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
    """How an answer was made, as the chat holds it.

    None if the record lacks the model or the finish reason, or has a value that this version cannot hold.
    Other unknown values take the defaults of ``Generation``.
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
    """An answer as a message of the chat."""
    return Message(Role.ASSISTANT, answer.content, answer.reasoning, generation_of(answer))


def _known(part: RecordPart | None) -> dict[str, Any]:
    """The known fields of a part, by name."""
    if part is None:
        return {}
    values = msgspec.structs.asdict(part)
    return {name: value for name, value in values.items() if value is not None and name != "extra"}
