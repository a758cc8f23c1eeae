"""Tells a model's reasoning from its answer, in the stream of what it writes.

Models put their "thinking" between delimiters that differ by family. The chat template names them, since it
writes them for earlier turns or opens the block itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum

from chatcli.chat.message import Message, Role
from chatcli.engine.answer import overlap
from chatcli.engine.base import Event, ReasoningDelta, TextDelta


class Mode(Enum):
    """What the text that comes now is."""

    ANSWER = "answer"
    REASONING = "reasoning"
    HIDDEN = "hidden"  # a header of the format, like the role and channel of harmony


@dataclass(frozen=True, slots=True)
class ReasoningForm:
    """How a family of models delimits its reasoning.

    Attributes:
        signs: strings of which one in a template means this form.
        delimiters: what each delimiter begins; none is part of any text. Of two that end at one place the
            longer counts, and none may be the beginning of another.
        only_first: the delimiters are ordinary words too, so that they count only where an answer begins and
            inside the reasoning. Otherwise they are tokens of their own and count anywhere.
    """

    signs: tuple[str, ...]
    delimiters: dict[str, Mode] = field(hash=False)
    only_first: bool = False

    def opened_by(self, prompt: str) -> bool:
        """Whether the prompt ends inside a reasoning block that it has opened itself."""
        end = prompt.rstrip()
        longest = max((d for d in self.delimiters if end.endswith(d.rstrip())), key=len, default="")
        return self.delimiters.get(longest) is Mode.REASONING

    def first(self, mode: Mode) -> str:
        """The usual delimiter that begins such text."""
        return next(delimiter for delimiter, begun in self.delimiters.items() if begun is mode)


def _tags(name: str, opening: str = "<{}>", closing: str = "</{}>") -> ReasoningForm:
    start, end = opening.format(name), closing.format(name)
    return ReasoningForm((start, end), {start: Mode.REASONING, end: Mode.ANSWER}, only_first=True)


_THINK = _tags("think")
# The first form of which a template shows a sign is the model's: the more telling signs come first.
_FORMS = (
    ReasoningForm(  # gpt-oss: https://github.com/openai/harmony
        ("<|channel|>analysis", "<|channel|>"),
        {
            "<|channel|>": Mode.HIDDEN,  # a header up to <|message|>
            "analysis<|message|>": Mode.REASONING,
            "<|message|>": Mode.ANSWER,
            "<|end|>": Mode.HIDDEN,
            "<|start|>": Mode.HIDDEN,
        },
    ),
    ReasoningForm(  # Gemma 4
        ("<|channel>thought",),
        {"<|channel>thought\n": Mode.REASONING, "<channel|>": Mode.ANSWER},
    ),
    ReasoningForm(  # Command R7B, Command A, Cohere 2
        ("<|START_THINKING|>",),
        {
            "<|START_THINKING|>": Mode.REASONING,
            "<|END_THINKING|>": Mode.ANSWER,
            "<|START_RESPONSE|>": Mode.ANSWER,
            "<|END_RESPONSE|>": Mode.HIDDEN,
            "<|START_TEXT|>": Mode.ANSWER,
            "<|END_TEXT|>": Mode.HIDDEN,
        },
    ),
    ReasoningForm(  # Kimi K3
        ("<|open|>", "open_tag('think')"),
        {
            "<|open|>think<|sep|>": Mode.REASONING,
            "<|open|>response<|sep|>": Mode.ANSWER,
            "<|close|>": Mode.HIDDEN,
        },
    ),
    ReasoningForm(  # Solar Open
        ("<|begin|>assistant<|think|>",),
        {
            "<|think|>": Mode.REASONING,
            "<|content|>": Mode.ANSWER,
            "<|end|>": Mode.HIDDEN,
            "<|begin|>": Mode.HIDDEN,
        },
    ),
    ReasoningForm(  # ATEM
        ("to=self<|message|>",),
        {
            " to=self<|message|>": Mode.REASONING,
            " to=user<|message|>": Mode.ANSWER,
            "<|message|>": Mode.ANSWER,
            "<|eom|>": Mode.HIDDEN,
        },
    ),
    ReasoningForm(  # Apertus
        ("<|inner_prefix|>",),
        {"<|inner_prefix|>": Mode.REASONING, "<|inner_suffix|>": Mode.ANSWER},
    ),
    ReasoningForm(  # Apriel
        ("[BEGIN FINAL RESPONSE]",),
        {
            "Here are my reasoning steps:\n": Mode.REASONING,
            "[BEGIN FINAL RESPONSE]": Mode.ANSWER,
            "[END FINAL RESPONSE]": Mode.HIDDEN,
        },
    ),
    ReasoningForm(  # Granite 3.2 and 3.3
        ("<response></response>",),
        {
            "<think>": Mode.REASONING,
            "</think>": Mode.ANSWER,
            "<response>": Mode.ANSWER,
            "</response>": Mode.HIDDEN,
        },
    ),
    ReasoningForm(  # Hunyuan 3 builds its tags with format()
        ("'<think{}>'",),
        {"<think:opensource>": Mode.REASONING, "</think:opensource>": Mode.ANSWER},
        only_first=True,
    ),
    _tags("seed:think"),
    _tags("mm:think"),
    _tags("THINK", "[{}]", "[/{}]"),
    _THINK,
    _tags("thinking"),
)


def detect(template: str, pieces: Collection[bytes] = ()) -> ReasoningForm | None:
    """The form in which a model reasons; None if nothing tells that it does.

    Args:
        template: source of the chat template.
        pieces: the vocabulary's special pieces; some models reason though their template does not say so.
    """
    found = next((form for form in _FORMS if any(sign in template for sign in form.signs)), None)
    return _THINK if found is None and b"<think>" in pieces else found


def resumed(form: ReasoningForm | None, prompt: str, message: Message) -> str:
    """A prompt that asks for an answer, with what already came of it, for templates that cannot do it.

    Args:
        form: the model's.
        prompt: it may have opened the reasoning.
        message: the answer so far; without content it is still reasoning.
    """
    if form is None:
        return prompt + message.content
    opened = form.opened_by(prompt)
    if message.reasoning and not message.content:
        opening = "" if opened else form.first(Mode.REASONING).rstrip("\n") + "\n"
        return prompt + opening + message.reasoning
    if opened:
        return f"{prompt}{message.reasoning or ''}\n{form.first(Mode.ANSWER)}\n\n{message.content}"
    return prompt + message.content


class ReasoningSplitter:
    """Splits generated text into events of reasoning and answer.

    A delimiter never shows, nor does a part of one, however the text is cut into pieces. Line breaks at the
    edges of the reasoning and between it and the answer belong to the format and are dropped.

    Args:
        form: the model's; None passes everything on as the answer.
        mode: what the prompt has begun: reasoning that it opened, or an answer.
        resumed: the prompt ends inside of an answer or of reasoning that is already under way.
    """

    def __init__(
        self, form: ReasoningForm | None, mode: Mode = Mode.ANSWER, *, resumed: bool = False
    ) -> None:
        self._form = form
        self._mode = mode
        self._held = ""
        self._trims = mode is Mode.REASONING and not resumed  # line breaks at the start of a block
        self._breaks = ""  # at the end of reasoning, until something follows them
        self._begun = mode is Mode.ANSWER and resumed

    def feed(self, text: str) -> Sequence[Event]:
        """The pieces that are certain now."""
        self._held += text
        events: list[Event] = []
        while self._held:
            delimiters = self._delimiters()
            ends = [(at + len(d), at, d) for d in delimiters if (at := self._held.find(d)) >= 0]
            if ends:
                end, at, delimiter = min(ends)
                if self._only_first() and self._held[:at].strip():
                    self._begun = True
                    continue
                if not self._only_first():
                    self._emit(self._held[:at], events)
                self._switch(delimiter)
                self._held = self._held[end:]
                continue
            kept = max((overlap(self._held, d) for d in delimiters), default=0)
            sure = self._held[: len(self._held) - kept]
            if self._only_first():
                if not sure.strip():
                    break  # only spaces so far, and perhaps the beginning of a delimiter
                self._begun = True
                continue
            self._held = self._held[len(sure) :]
            self._emit(sure, events)
            break
        return events

    def finish(self) -> Sequence[Event]:
        """The pieces that were held back, at the end."""
        events: list[Event] = []
        rest, self._held = self._held, ""
        if rest:
            self._begun = True
            self._emit(rest, events)
        return events

    def _only_first(self) -> bool:
        """Whether a delimiter may come now, and only if nothing but spaces comes before it."""
        form = self._form
        return form is not None and form.only_first and self._mode is Mode.ANSWER and not self._begun

    def _delimiters(self) -> Collection[str]:
        if self._form is None or (self._form.only_first and self._mode is Mode.ANSWER and self._begun):
            return ()
        if self._form.only_first and self._mode is Mode.REASONING:
            return [d for d, mode in self._form.delimiters.items() if mode is not Mode.REASONING]
        return self._form.delimiters

    def _switch(self, delimiter: str) -> None:
        assert self._form is not None
        self._mode = self._form.delimiters[delimiter]
        self._trims = True
        self._breaks = ""
        self._begun = self._mode is Mode.ANSWER

    def _emit(self, text: str, events: list[Event]) -> None:
        if self._trims:
            text = text.lstrip("\r\n")
        if not text or self._mode is Mode.HIDDEN:
            return
        self._trims = False
        if self._mode is Mode.ANSWER:
            events.append(TextDelta(text))
            return
        words = text.rstrip("\r\n")
        if words:
            events.append(ReasoningDelta(self._breaks + words))
            self._breaks = ""
        self._breaks += text[len(words) :]


def splitter_for(form: ReasoningForm | None, prompt: str, messages: Sequence[Message]) -> ReasoningSplitter:
    """The splitter of the answer to a prompt.

    Args:
        form: the model's.
        prompt: the rendered text.
        messages: what it was rendered from; if the last is an assistant's, its text goes on.
    """
    last = messages[-1] if messages else None
    if last is not None and last.role is Role.ASSISTANT and (last.content or last.reasoning):
        mode = Mode.ANSWER if last.content else Mode.REASONING
        return ReasoningSplitter(form, mode, resumed=True)
    opened = form is not None and form.opened_by(prompt)
    return ReasoningSplitter(form, Mode.REASONING if opened else Mode.ANSWER)
