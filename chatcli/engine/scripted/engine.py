"""An engine without a model, which answers by rules or from a file, the same way every time.

It is for trying the terminal, for demonstrations and for tests. It counts tokens, fills a context, reuses a
prefix, sees pictures, reasons, stops and can be interrupted.

``scripted:``                        rules only (``_reply_to`` lists them)
``scripted:answers.txt``             the answers of a transcript
``scripted:delay=0.05``              seconds for each token, to watch it stream
``scripted:answers.txt,delay=0.05,context=200``
"""

import itertools
import json
import math
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from chatcli import __version__
from chatcli.chat.message import FinishReason, Message, ModelRef, Role
from chatcli.chat.transcript.reader import load
from chatcli.chat.window import ContextWindow, Window
from chatcli.engine.answer import AnswerStats, StopStrings, common_length
from chatcli.engine.base import (
    Cancellation,
    Engine,
    Event,
    Finished,
    LeftOut,
    Prompt,
    PromptProgress,
    ReasoningDelta,
    TextDelta,
)
from chatcli.engine.scripted.prompt import ScriptedPiece, looked_at, pieces_of, seen, words_of
from chatcli.errors import ModelNotFound, UsageError
from chatcli.sampling import SamplingParams

PREFIX = "scripted:"
DEFAULT_CONTEXT_SIZE = 4096
_PATIENCE = 0.02  # seconds; the longest sleep between looks at the flag
_MAX_DELAY = 60.0
_END = "</assistant>"
_COUNT = re.compile(r"\s*count to (\d{1,6})\s*[.!]?\s*", re.IGNORECASE)
_THINK = re.compile(r"\s*think about (.+)", re.IGNORECASE | re.DOTALL)
_ECHOES = ("You said: {}", "I heard: {}", "Your words were: {}")


class _Reply(NamedTuple):
    """An answer and the reasoning before it; either may be empty."""

    text: str
    reasoning: str = ""


#: Answers by the user's message. Of several the seed chooses one.
_Script = dict[str, list[_Reply]]


class ScriptedEngine(Engine):
    """Answers by a script, with ``delay`` seconds for each token. ``scripted/prompt.py`` makes its tokens."""

    no_vision_reason = ""

    def __init__(
        self,
        script: _Script | None = None,
        *,
        context_size: int = DEFAULT_CONTEXT_SIZE,
        delay: float = 0.0,
        name: str = PREFIX,
    ) -> None:
        self._script = script or {}
        self._delay = delay
        self.context_size = context_size
        self.recommended = SamplingParams()
        self.model = ModelRef(name, architecture="scripted", context_size=context_size)
        self._window = ContextWindow(context_size)
        self._held: list[ScriptedPiece] = []  # what a KV cache would hold
        self._seeds = itertools.count(1)

    @classmethod
    def open(cls, spec: str) -> "ScriptedEngine":
        """Make an engine from its name, such as ``scripted:answers.txt,delay=0.05``.

        Raises:
            UsageError: the value of an option is out of range.
            ModelNotFound, TranscriptError: the file cannot be read as a transcript.
        """
        paths, numbers = [], {"delay": 0.0, "context": float(DEFAULT_CONTEXT_SIZE)}
        for part in filter(None, spec.partition(":")[2].split(",")):
            key, equals, value = part.partition("=")
            if equals and key in numbers:
                numbers[key] = _number(key, value)
            else:
                paths.append(part)
        path = Path(",".join(paths))
        script = _read_script(path) if paths else None
        name = PREFIX + path.name  # a whole path could name the user
        return cls(script, context_size=int(numbers["context"]), delay=numbers["delay"], name=name)

    def prompt(
        self, messages: Sequence[Message], params: SamplingParams, *, thinking: bool | None = None
    ) -> Prompt:
        """Build the prompt that ``generate`` would read; see ``CountsTokens``."""
        messages, _ = looked_at(messages)
        window, pieces = self._read(messages, params, remember=False)
        text, tokens = "".join(p.rendered for p in pieces), tuple(p.token for p in pieces)
        return Prompt(text, tokens, window.left_out)

    def generate(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        *,
        cancel: Cancellation | None = None,
        thinking: bool | None = None,
    ) -> Iterator[Event]:
        """Answer the user's last message; see ``Engine.generate``. ``thinking=False`` skips the reasoning."""
        cancel = cancel or Cancellation()
        params = params if params.seed is not None else params.with_seed(next(self._seeds))
        stats = AnswerStats(params, thinking)
        messages, unseen = looked_at(messages)
        window, prompt = self._read(messages, params, remember=True)
        if window.left_out:
            yield LeftOut(window.left_out)
        if unseen is not None:
            yield unseen
        stats.prompt_tokens = len(prompt)
        stats.cached = min(common_length(self._held, prompt), len(prompt) - 1)
        stats.decoded = len(prompt) - stats.cached
        self._held = prompt[:]
        yield PromptProgress(len(prompt), len(prompt), stats.cached)
        reply = _reply_to(messages, self._script, params.seed or 0)
        told = messages[-1].content if messages[-1].role is Role.ASSISTANT else ""
        text = seen(messages, reply.text)
        text = text.removeprefix(told) if text.startswith(told) else ""
        reasoning = reply.reasoning if thinking is not False and not told else ""
        yield from self._speak(_spoken(reasoning, text), stats, cancel)
        yield Finished(stats.generation(self.model, {"chatcli": __version__}))

    def _speak(
        self, pieces: Iterator[ScriptedPiece], stats: AnswerStats, cancel: Cancellation
    ) -> Iterator[Event]:
        room = self.context_size - stats.prompt_tokens
        limit = min(stats.params.max_tokens or room, room)
        stops = StopStrings(stats.params.stop)
        reasons = False
        for piece in pieces:
            self._wait(cancel)
            if cancel.is_set():
                stats.finish_reason = FinishReason.INTERRUPTED
                break
            stats.count()
            self._held.append(piece)
            if piece.is_tag:
                reasons = piece.text == "<think>"
                if piece.text == _END:
                    break
            elif reasons:
                yield ReasoningDelta(piece.text)
            elif shown := stops.feed(piece.text):
                yield TextDelta(shown)
            if stops.found is not None:
                stats.finish_reason = FinishReason.STOP
                break
            if stats.completion >= limit:
                stats.finish_reason = FinishReason.LENGTH
                break
        if held := stops.finish():
            yield TextDelta(held)

    @property
    def state_conditions(self) -> str:
        """The context size. The script does not matter."""
        return f"scripted 2 {self.context_size}"

    def save_state(self) -> memoryview | None:
        """The tokens in memory, as JSON."""
        return memoryview(json.dumps(self._held).encode()) if self._held else None

    def load_state(self, blob: bytes | memoryview) -> bool:
        """Replace the tokens in memory with saved ones."""
        try:
            held = [ScriptedPiece(str(t), bool(tag), str(shown)) for t, tag, shown in json.loads(bytes(blob))]
        except (ValueError, TypeError):
            return False
        self._held = held
        return True

    def close(self) -> None:
        """Nothing to free."""

    def _read(
        self, messages: Sequence[Message], params: SamplingParams, *, remember: bool
    ) -> tuple[Window, list[ScriptedPiece]]:
        window = self._window.choose(messages, params, lambda some: len(pieces_of(some)), remember=remember)
        return window, pieces_of([messages[i] for i in window.kept])

    def _wait(self, cancel: Cancellation) -> None:
        end = time.monotonic() + self._delay
        while not cancel.is_set() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _PATIENCE))


def _spoken(reasoning: str, text: str) -> Iterator[ScriptedPiece]:
    if reasoning:
        yield ScriptedPiece("<think>", is_tag=True)
        yield from words_of(reasoning)
        yield ScriptedPiece("</think>", is_tag=True)
    yield from words_of(text)
    yield ScriptedPiece(_END, is_tag=True)


def _number(key: str, value: str) -> float:
    low, high = (0.0, _MAX_DELAY) if key == "delay" else (8.0, 1e9)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise UsageError(f"scripted: {key} must be a number from {low:g} to {high:g}, not {value!r}")
    return number


def _read_script(path: Path) -> _Script:
    """Read the answers of a transcript, from all of its branches; errors as ``ScriptedEngine.open``."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelNotFound(f"no script at {path}: {error.strerror or error}") from error
    conversation = load([content]).conversation
    script: _Script = defaultdict(list)
    for node in conversation.nodes:
        message = node.message
        before = conversation.node(node.parent).message if node.parent is not None else None
        if message.role is Role.ASSISTANT and before is not None and before.role is Role.USER:
            script[before.content].append(_Reply(message.content, message.reasoning or ""))
    return script


def _reply_to(messages: Sequence[Message], script: _Script, seed: int) -> _Reply:
    """The answer to the user's last message.

    Without a scripted answer, "count to N" counts, "think about X" reasons before it answers, and everything
    else is repeated, in words that depend on the seed.
    """
    words = next((m.content for m in reversed(messages) if m.role is Role.USER), "")
    if answers := script.get(words):
        return answers[seed % len(answers)]
    if counting := _COUNT.fullmatch(words):
        return _Reply(" ".join(map(str, range(1, int(counting[1]) + 1))))
    if thinking := _THINK.fullmatch(words):
        subject = thinking[1].strip()
        return _Reply(f"I have thought about {subject}", f"The subject is {subject}\nThat was not hard.")
    return _Reply(_ECHOES[seed % len(_ECHOES)].format(words))
