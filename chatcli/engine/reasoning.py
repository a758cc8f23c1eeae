"""Splits a stream of generated text into reasoning and answer.

Models put their reasoning between delimiters that differ by family. The chat template shows which ones,
because it writes them for earlier turns or opens the block itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from chatcli.chat.message import Message, Role
from chatcli.engine.answer import overlap
from chatcli.engine.base import Event, ReasoningDelta, TextDelta


class Mode(Enum):
    """What kind of text comes now."""

    ANSWER = "answer"
    REASONING = "reasoning"
    HIDDEN = "hidden"  # a header of the format, like the role and channel of harmony


@dataclass(frozen=True, slots=True)
class ReasoningForm:
    """How a family of models delimits its reasoning.

    A delimiter begins a kind of text and is no part of it; the usual one comes first. Of two that end at one
    place the longer counts. None may begin another.
    """

    signs: tuple[str, ...]  # one of them in a template means this form
    reasoning: tuple[str, ...]
    answer: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    # Whether the delimiters are ordinary words too. Then they count only where an answer begins and inside
    # the reasoning. Otherwise they are tokens of their own and count anywhere.
    only_first: bool = False

    @property
    def delimiters(self) -> dict[str, Mode]:
        """The kind of text that each delimiter begins."""
        return {
            **dict.fromkeys(self.reasoning, Mode.REASONING),
            **dict.fromkeys(self.answer, Mode.ANSWER),
            **dict.fromkeys(self.hidden, Mode.HIDDEN),
        }

    def opened_by(self, prompt: str) -> bool:
        """Whether the prompt ends inside a reasoning block that it opens itself."""
        end = prompt.rstrip()
        longest = max((d for d in self.delimiters if end.endswith(d.rstrip())), key=len, default="")
        return longest in self.reasoning


def _tags(name: str, opening: str = "<{}>", closing: str = "</{}>") -> ReasoningForm:
    start, end = opening.format(name), closing.format(name)
    return ReasoningForm((start, end), (start,), (end,), only_first=True)


_THINK = _tags("think")
# The first form with a sign in the template is the model's, so the more telling signs come first.
_FORMS = (
    # gpt-oss, whose headers go up to <|message|>: https://github.com/openai/harmony
    ReasoningForm(
        signs=("<|channel|>analysis", "<|channel|>"),
        reasoning=("analysis<|message|>",),
        answer=("<|message|>",),
        hidden=("<|channel|>", "<|end|>", "<|start|>"),
    ),
    # Gemma 4
    ReasoningForm(("<|channel>thought",), ("<|channel>thought\n",), ("<channel|>",)),
    # Command R7B, Command A, Cohere 2
    ReasoningForm(
        signs=("<|START_THINKING|>",),
        reasoning=("<|START_THINKING|>",),
        answer=("<|END_THINKING|>", "<|START_RESPONSE|>", "<|START_TEXT|>"),
        hidden=("<|END_RESPONSE|>", "<|END_TEXT|>"),
    ),
    # Kimi K3
    ReasoningForm(
        signs=("<|open|>", "open_tag('think')"),
        reasoning=("<|open|>think<|sep|>",),
        answer=("<|open|>response<|sep|>",),
        hidden=("<|close|>",),
    ),
    # Solar Open
    ReasoningForm(
        signs=("<|begin|>assistant<|think|>",),
        reasoning=("<|think|>",),
        answer=("<|content|>",),
        hidden=("<|end|>", "<|begin|>"),
    ),
    # ATEM
    ReasoningForm(
        signs=("to=self<|message|>",),
        reasoning=(" to=self<|message|>",),
        answer=(" to=user<|message|>", "<|message|>"),
        hidden=("<|eom|>",),
    ),
    # Apertus
    ReasoningForm(("<|inner_prefix|>",), ("<|inner_prefix|>",), ("<|inner_suffix|>",)),
    # Apriel
    ReasoningForm(
        signs=("[BEGIN FINAL RESPONSE]",),
        reasoning=("Here are my reasoning steps:\n",),
        answer=("[BEGIN FINAL RESPONSE]",),
        hidden=("[END FINAL RESPONSE]",),
    ),
    # Granite 3.2 and 3.3
    ReasoningForm(("<response></response>",), ("<think>",), ("</think>", "<response>"), ("</response>",)),
    # Hunyuan 3 builds its tags with format()
    ReasoningForm(("'<think{}>'",), ("<think:opensource>",), ("</think:opensource>",), only_first=True),
    _tags("seed:think"),
    _tags("mm:think"),
    _tags("THINK", "[{}]", "[/{}]"),
    _THINK,
    _tags("thinking"),
)


def detect(template: str, pieces: Collection[bytes] = ()) -> ReasoningForm | None:
    """Find the form in which a model reasons; None if nothing shows that it does.

    Some models reason though their template does not show it, but the special pieces of the vocabulary do.
    """
    found = next((form for form in _FORMS if any(sign in template for sign in form.signs)), None)
    return _THINK if found is None and b"<think>" in pieces else found


def resumed(form: ReasoningForm | None, prompt: str, message: Message) -> str:
    """Append an answer so far to the prompt for a new one, for templates that cannot continue an answer."""
    if form is None:
        return prompt + message.content
    opened = form.opened_by(prompt)
    if message.reasoning and not message.content:
        opening = "" if opened else form.reasoning[0].rstrip("\n") + "\n"
        return prompt + opening + message.reasoning
    if opened:
        return f"{prompt}{message.reasoning or ''}\n{form.answer[0]}\n\n{message.content}"
    return prompt + message.content


class ReasoningSplitter:
    """Splits generated text into events of reasoning and answer.

    Neither a delimiter nor a part of one is shown, however the text is cut into pieces. Line breaks at the
    edges of the reasoning and between it and the answer belong to the format and are dropped.

    Args:
        form: the model's form. None: everything is the answer.
        mode: the kind of text that the prompt has begun.
        resumed: whether some of that text is in the prompt.
    """

    def __init__(
        self, form: ReasoningForm | None, mode: Mode = Mode.ANSWER, *, resumed: bool = False
    ) -> None:
        self._form = form
        self._all = form.delimiters if form is not None else {}
        self._mode = mode
        self._held = ""
        self._trims = mode is Mode.REASONING and not resumed  # line breaks at the start of a block
        self._breaks = ""  # at the end of reasoning, until something follows them
        self._begun = mode is Mode.ANSWER and resumed

    def feed(self, text: str) -> Sequence[Event]:
        """Add text; returns the events that are certain now."""
        self._held += text
        events: list[Event] = []
        while self._held:
            delimiters = self._delimiters()
            ends = [(at + len(d), at, d) for d in delimiters if (at := self._held.find(d)) >= 0]
            if ends:
                end, at, delimiter = min(ends)
            else:
                kept = max((overlap(self._held, d) for d in delimiters), default=0)
                end = at = len(self._held) - kept
                delimiter = ""
            if not self._only_first():
                self._emit(self._held[:at], events)
            elif self._held[:at].strip():
                self._begun = True
                continue
            elif not delimiter:
                break  # only spaces so far, and perhaps the beginning of a delimiter
            self._held = self._held[end:]
            if not delimiter:
                break
            self._switch(delimiter)
        return events

    def finish(self) -> Sequence[Event]:
        """End the text; returns the events of what was held back."""
        events: list[Event] = []
        rest, self._held = self._held, ""
        if rest:
            self._begun = True
            self._emit(rest, events)
        return events

    def _only_first(self) -> bool:
        """Whether a delimiter may come now, with nothing but spaces before it."""
        form = self._form
        return form is not None and form.only_first and self._mode is Mode.ANSWER and not self._begun

    def _delimiters(self) -> Collection[str]:
        if self._form is None or (self._form.only_first and self._mode is Mode.ANSWER and self._begun):
            return ()
        if self._form.only_first and self._mode is Mode.REASONING:
            return (*self._form.answer, *self._form.hidden)
        return self._all

    def _switch(self, delimiter: str) -> None:
        self._mode = self._all[delimiter]
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
    """The splitter for the answer to a prompt that was rendered from these messages."""
    last = messages[-1] if messages else None
    if last is not None and last.role is Role.ASSISTANT and (last.content or last.reasoning):
        mode = Mode.ANSWER if last.content else Mode.REASONING
        return ReasoningSplitter(form, mode, resumed=True)
    opened = form is not None and form.opened_by(prompt)
    return ReasoningSplitter(form, Mode.REASONING if opened else Mode.ANSWER)
