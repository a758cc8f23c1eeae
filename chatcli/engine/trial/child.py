"""Tries a model in this process, which may die of it; ``probe.py`` starts it as a child.

The task and the finding are one JSON line each (``process.py``).
"""

import contextlib
import ctypes
import json
import math
import os
import signal
import struct
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from chatcli.chat.message import Message, Picture, Role
from chatcli.engine.gguf import read_header
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.llama.loading import Adapters, LoadedModel, load_model
from chatcli.engine.trial.process import take_task
from chatcli.errors import ModelError, TemplateError

CONTEXT_SIZE = 256
_PROMPT_TOKENS = 40  # a prompt and a single token take different kernels: the choice is made by batch size
_TEMPLATE_SECONDS = 20  # of the processor, for rendering the chat template; a rendering stops itself at 10
_TEMPLATE_MEMORY = 2 << 30  # bytes; Python and jinja2 take a tenth of it
_PATHS = ("projector", "adapter")  # among the options
# Letters outside any one vocabulary, so that the fall back to bytes runs too.
_TEXT = "Hello, world! Grüße, 你好, \U0001f44b\u200d\U0001f9d1 <b>1 + 1 = 2</b>\n\n\tdef f(x):\r\n\x00"
_DIALOGUE = (
    Message(Role.SYSTEM, "Answer briefly."),
    Message(Role.USER, "What is 1 + 1?"),
    Message(Role.ASSISTANT, "2"),
    Message(Role.USER, "Thank you!"),
)


class Nonsense(ModelError):
    """The model computes, but what comes out is no prediction."""


def encode_task(path: Path, options: LoadOptions) -> bytes:
    """The task as the child reads it."""
    told = asdict(options) | {name: os.fsencode(getattr(options, name) or "").hex() for name in _PATHS}
    return json.dumps({"path": os.fsencode(path).hex(), "options": told}).encode() + b"\n"


def _decode_task(line: bytes) -> tuple[Path, LoadOptions]:
    task = json.loads(line)
    given = task["options"]
    for name in _PATHS:
        given[name] = Path(os.fsdecode(bytes.fromhex(given[name]))) if given[name] else None
    return Path(os.fsdecode(bytes.fromhex(task["path"]))), LoadOptions(**given)


def attempt(path: Path, options: LoadOptions) -> None:
    """Render the chat template, load the model, tokenize a text, read a short prompt, make one step, and look
    at what was predicted. With a projector look at a picture, too.

    Raises:
        Nonsense: no prediction came out (not a number, or all tokens equally likely).
        Runaway: the chat template takes too long or makes too much.
        ModelError: llama.cpp refuses the model, with its reason.
    """
    _render_template(path)
    loaded = load_model(path, replace(options, context_size=CONTEXT_SIZE))
    try:
        _read_vocabulary(loaded)
        if options.adapter is not None:
            Adapters(loaded).attach(options.adapter, 1.0)
        prompt = _prompt(loaded)
        _decode(loaded, prompt)
        best = _prediction(loaded)
        _decode(loaded, [best])
        _prediction(loaded)
        if loaded.vision is not None:
            loaded.vision.look_at(Picture("", "a picture", lambda: _bitmap(48, 32)))
    finally:
        loaded.free()


def _render_template(path: Path) -> None:
    """Render the chat template once, with little memory and time.

    A template that fails in another way is no reason to refuse the model: opening it says what is wrong.

    Raises:
        Runaway: it takes too long or makes too much.
    """
    from chatcli.engine.llama.template import ChatTemplate
    from chatcli.engine.llama.template_sandbox import Runaway

    source = read_header(path).chat_template
    if not source:
        return
    try:
        with _little_memory_and_time():
            ChatTemplate(source).render(_DIALOGUE)
    except Runaway:
        raise
    except TemplateError:
        pass


@contextlib.contextmanager
def _little_memory_and_time() -> Iterator[None]:
    """Bound what the block takes: too much memory is a MemoryError, too much time the end of this process."""
    if sys.platform == "win32":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    least = min((limit for limit in before if limit >= 0), default=_TEMPLATE_MEMORY)
    with contextlib.suppress(OSError, ValueError):  # macOS does not have it
        resource.setrlimit(resource.RLIMIT_AS, (min(least, _TEMPLATE_MEMORY), before[1]))
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_VIRTUAL, _TEMPLATE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, before)


def _read_vocabulary(loaded: LoadedModel) -> None:
    """Ask for every token's text: a malformed one kills the process that asks."""
    lib, room = loaded.native.lib, ctypes.create_string_buffer(256)
    count = lib.llama_vocab_n_tokens(loaded.vocab)
    if count < 1 or lib.llama_vocab_type(loaded.vocab) == lib.LLAMA_VOCAB_TYPE_NONE:
        raise ModelError("the model has no vocabulary: it cannot read or write text")
    for token in range(count):
        lib.llama_token_to_piece(loaded.vocab, token, room, len(room), 0, True)


def _prompt(loaded: LoadedModel) -> list[int]:
    lib, text = loaded.native.lib, _TEXT.encode()
    room = (ctypes.c_int32 * (2 * len(text) + 8))()
    count = lib.llama_tokenize(loaded.vocab, text, len(text), room, len(room), True, True)
    ids = [room[i] for i in range(max(count, 0))] or [0]
    return (ids * _PROMPT_TOKENS)[:_PROMPT_TOKENS]


def _decode(loaded: LoadedModel, ids: list[int]) -> None:
    tokens = (ctypes.c_int32 * len(ids))(*ids)  # the batch keeps only a pointer
    code = loaded.native.lib.llama_decode(
        loaded.context, loaded.native.lib.llama_batch_get_one(tokens, len(ids))
    )
    if code:
        said = loaded.native.log.reason()
        raise ModelError(
            f"llama.cpp cannot compute with this model (code {code}{': ' + said if said else ''})"
        )


def _prediction(loaded: LoadedModel) -> int:
    """The most likely next token. Minus infinity is a fair value for tokens that never come."""
    lib = loaded.native.lib
    logits = lib.llama_get_logits_ith(loaded.context, -1)
    if not logits:
        raise Nonsense("the model predicts nothing")
    values = logits[: lib.llama_vocab_n_tokens(loaded.vocab)]
    high, low = max(values), min(values)
    if any(map(math.isnan, values)) or high in (math.inf, -math.inf):
        raise Nonsense("the model computes values that are not numbers")
    if high == low and len(values) > 1:
        raise Nonsense("the model's weights are empty: it finds all tokens equally likely")
    return int(values.index(high))


def _bitmap(width: int, height: int) -> bytes:
    """A grey picture as a BMP file: a header of 54 bytes, then 3 bytes a pixel, rows of a multiple of 4."""
    size = 3 * width * height
    header = struct.pack(
        "<2sIIIIiiHHIIiiII", b"BM", 54 + size, 0, 54, 40, width, height, 1, 24, 0, size, 0, 0, 0, 0
    )
    return header + b"\x80" * size


def finding(path: Path, options: LoadOptions) -> dict[str, Any]:
    """What ``attempt`` found, as JSON: ``{"outcome": "ok" | "nonsense" | "error", "reason": ...}``."""
    try:
        attempt(path, options)
    except Nonsense as error:
        return {"outcome": "nonsense", "reason": str(error)}
    except ModelError as error:
        return {"outcome": "error", "reason": str(error)}
    return {"outcome": "ok", "reason": ""}


def main() -> None:
    """The child's whole life."""
    task, answers = take_task()
    result = finding(*_decode_task(task))
    os.write(answers, json.dumps(result).encode() + b"\n")
    os._exit(0)  # a driver's clean-up at exit is not what is being tried


if __name__ == "__main__":
    main()
