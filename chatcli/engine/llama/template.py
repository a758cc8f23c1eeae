"""The chat template of a model: a conversation as the text the model was trained to read."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chatcli.chat.message import Message, Role
from chatcli.chat.transcript.writer import render_prompt, stop_string
from chatcli.engine.reasoning import detect, resumed
from chatcli.errors import TemplateError

# Names under which templates ask whether the model shall think, and what they expect to read.
_THINKING: Mapping[str, tuple[Any, Any]] = {
    "enable_thinking": (False, True),
    "thinking": (False, True),
    "reasoning": (False, True),
    "thinking_mode": ("disabled", "enabled"),
    "thinking_budget": (0, -1),
    "thinking_option": ("off", "on"),
}
# Names under which templates read a message's reasoning; the first that a template mentions is given.
_REASONING = ("reasoning_content", "thinking", "reasoning")
# What a conversation without tools is to transformers, and to templates that take no None.
_NOTHING: Mapping[str, Any] = {"tools": None, "documents": None}
_SHORT = 24  # a text of fewer characters may occur in a template by chance
_EMPTY: Mapping[str, Any] = {"tools": [], "documents": []}

Adaptation = Callable[[Sequence[Message]], list[Message]]


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a template is given a conversation.

    Attributes:
        thinking: told to templates that know how; None leaves their default.
        parts: contents are lists of parts, ``[{"type": "text", "text": ...}]``, and not strings.
    """

    thinking: bool | None
    parts: bool = False


class ChatTemplate:
    """A Jinja chat template, as GGUF files carry it in ``tokenizer.chat_template``.

    Args:
        source: the template.
        bos_text, eos_text: what its variables ``bos_token`` and ``eos_token`` stand for.

    Raises:
        TemplateError: it does not compile; names line and reason.
    """

    def __init__(self, source: str, bos_text: str = "", eos_text: str = "") -> None:
        from chatcli.engine.llama.template_sandbox import Program

        self.source = source
        self._program = Program(source)
        self._constants = {"bos_token": bos_text, "eos_token": eos_text, **_NOTHING}
        self._form = detect(source)
        self._reasoning = next((name for name in _REASONING if name in source), _REASONING[0])
        self._parts = False  # what its last rendering turned out to need is tried first the next time

    @property
    def knows_thinking(self) -> bool:
        """Whether the template can be told to let the model think or not."""
        return not self._program.variables.isdisjoint(_THINKING)

    def render(self, messages: Sequence[Message], *, thinking: bool | None = None) -> str:
        """The prompt for answering the last message, or for continuing it if it is an assistant's.

        Templates differ in what they accept. One that refuses the conversation as it is gets it in another
        form: neighbours of one role merged, the system prompt written before the first user message, an
        empty user message before an answer that comes first; at last with contents in parts, which
        those of some vision models need. The same is done for one that silently leaves the system
        prompt or a user's message out.

        Args:
            messages: the conversation, oldest first.
            thinking: told to templates that know how; None leaves their default.

        Raises:
            TemplateError: the template fails, exceeds its bounds, or accepts no form.
        """
        from chatcli.engine.llama.template_sandbox import Refused, Runaway

        problem: TemplateError | None = None
        rendered: str | None = None
        manners = [_Manner(thinking, parts) for parts in (self._parts, not self._parts)]
        for manner, form in ((manner, form) for manner in manners for form in _forms(messages)):
            try:
                text = self._render_form(form, manner)
            except Runaway:
                raise
            except Refused as refusal:
                problem = problem or TemplateError(f"the chat template does not accept this: {refusal}")
                continue
            except TemplateError as error:
                problem = problem or error
                continue
            if _holds_all(text, form) and self._keeps_system(form, manner):
                self._parts = manner.parts
                return text
            rendered = text if rendered is None else rendered
        if rendered is not None:
            return rendered
        raise problem or TemplateError("the chat template gives nothing")

    def _keeps_system(self, messages: Sequence[Message], manner: _Manner) -> bool:
        """Whether system prompts that are too short to be searched for come through."""
        if not any(m.role is Role.SYSTEM and 0 < len(m.content.strip()) < _SHORT for m in messages):
            return True
        probe = "\ue0f2\ue0f3" * _SHORT
        marked = [replace(m, content=probe) if m.role is Role.SYSTEM else m for m in messages]
        count = sum(m.role is Role.SYSTEM for m in messages)
        return self._render_form(marked, manner).count(probe) >= count

    def _render_form(self, messages: Sequence[Message], manner: _Manner) -> str:
        from chatcli.engine.llama.template_sandbox import Refused, Runaway

        if not messages or messages[-1].role is not Role.ASSISTANT:
            return self._run(messages, manner, answer=True)
        last = messages[-1]
        end = "\ue0f0\ue0f1"  # marks where the answer ends
        while any(end in (m.content + (m.reasoning or "")) for m in messages):
            end += "\ue0f1"
        reasons = bool(last.reasoning) and not last.content  # it was stopped while still thinking
        if reasons:
            marked = replace(last, reasoning=f"{last.reasoning}{end}")
        else:
            marked = replace(last, content=last.content + end)
        try:
            text = self._run([*messages[:-1], marked], manner, answer=False)
        except Runaway:
            raise
        except (Refused, TemplateError):
            text = ""  # it wants the user to have the last word
        if end in text:
            return text[: text.rindex(end)].replace(end, "")
        prompt = self._run(messages[:-1], replace(manner, thinking=True) if reasons else manner, answer=True)
        return resumed(self._form, prompt, last)

    def _run(self, messages: Sequence[Message], manner: _Manner, *, answer: bool) -> str:
        from chatcli.engine.llama.template_sandbox import Refused, Runaway

        variables: dict[str, Any] = dict(self._constants)
        if manner.thinking is not None:
            variables.update(
                (name, values[manner.thinking])
                for name, values in _THINKING.items()
                if name in self._program.variables
            )
        variables["messages"] = [self._as_mapping(message, manner) for message in messages]
        variables["add_generation_prompt"] = answer
        characters = sum(len(m.content) + len(m.reasoning or "") for m in messages)
        try:
            return self._program.render(variables, characters)
        except (Refused, Runaway):
            raise
        except TemplateError:
            generous: dict[str, Any] = dict.fromkeys(self._program.unknown - set(variables), "")
            generous.update(_EMPTY)
            if "datetime" in generous:
                generous["datetime"] = datetime.now().strftime("%Y-%m-%d")
            text = self._program.render(variables | generous, characters)
            self._constants.update(generous)  # so that every later rendering agrees with this one
            return text

    def _as_mapping(self, message: Message, manner: _Manner) -> dict[str, Any]:
        content = [{"type": "text", "text": message.content}] if manner.parts else message.content
        mapping: dict[str, Any] = {"role": str(message.role), "content": content}
        if message.reasoning:
            mapping[self._reasoning] = message.reasoning
        return mapping


def _forms(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """The conversation in the forms templates may accept, the plainest first; none twice."""
    seen: list[list[Message]] = []
    adaptations: Sequence[Sequence[Adaptation]] = (
        (),
        (_merged,),
        (_system_first, _merged),
        (_system_folded, _merged),
        (_user_first, _merged),
        (_system_folded, _user_first, _merged),
    )
    for steps in adaptations:
        form = functools.reduce(lambda so_far, step: step(so_far), steps, list(messages))
        if form not in seen:
            seen.append(form)
            yield form


def _merged(messages: Sequence[Message]) -> list[Message]:
    """Neighbours of one role as one message, a blank line between them."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1].role is message.role:
            merged[-1] = replace(merged[-1], content=_paragraphs(merged[-1].content, message.content))
        else:
            merged.append(message)
    return merged


def _system_first(messages: Sequence[Message]) -> list[Message]:
    """Later system messages written before the user message that follows them; the first stays."""
    return [*messages[:1], *_system_folded(messages[1:])]


def _system_folded(messages: Sequence[Message]) -> list[Message]:
    """Each system message written before the user message that follows it, or as one of its own."""
    folded: list[Message] = []
    waiting = ""
    for message in messages:
        if message.role is Role.SYSTEM:
            waiting = _paragraphs(waiting, message.content)
        elif waiting and message.role is Role.USER:
            folded.append(replace(message, content=_paragraphs(waiting, message.content)))
            waiting = ""
        elif waiting:
            folded += [Message(Role.USER, waiting), message]
            waiting = ""
        else:
            folded.append(message)
    return [*folded, Message(Role.USER, waiting)] if waiting else folded


def _user_first(messages: Sequence[Message]) -> list[Message]:
    """An empty user message before an answer that nothing was asked for."""
    start = next((i for i, message in enumerate(messages) if message.role is not Role.SYSTEM), len(messages))
    if start < len(messages) and messages[start].role is Role.USER:
        return list(messages)
    return [*messages[:start], Message(Role.USER, ""), *messages[start:]]


def _paragraphs(first: str, second: str) -> str:
    return f"{first}\n\n{second}" if first and second else first or second


def _holds_all(text: str, messages: Sequence[Message]) -> bool:
    """Whether the text has every system and user message. Templates may trim them."""
    at = 0
    for message in messages:
        content = message.content.strip()
        if message.role is Role.SYSTEM:
            if content not in text:
                return False
        elif message.role is Role.USER:
            at = text.find(content, at)
            if at < 0:
                return False
            at += len(content)
    return True


class TranscriptFormat:
    """The prompt of models without a chat template: a transcript they go on writing.

    Args:
        assistant: the assistant's name, which is its tag.

    Attributes:
        stop: the strings that end an answer.
    """

    def __init__(self, assistant: str) -> None:
        self._assistant = assistant
        self.stop = (stop_string(assistant),)

    def render(self, messages: Sequence[Message], *, thinking: bool | None = None) -> str:
        """The transcript up to where the answer goes on; ``thinking`` means nothing to it."""
        return render_prompt(messages, self._assistant)
