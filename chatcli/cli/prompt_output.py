"""What ``ask --show-prompt`` prints: the prompt as a model would read it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from chatcli.chat.message import Picture
from chatcli.chat.pictures import caption
from chatcli.engine.base import Prompt, PromptToken
from chatcli.terminal.sanitize import sanitize_line


def prompt_record(prompt: Prompt) -> dict[str, Any]:
    """A prompt as data, every token of it."""
    return {
        "text": prompt.text,
        "tokens": [asdict(token) for token in prompt.tokens],
        "left_out": list(prompt.left_out),
    }


def prompt_page(prompt: Prompt) -> str:
    """The rendered text, a blank line, then a line a token: id, ``*`` if it is a control token, its text.

    The tokens of a picture are one line.
    """
    header = f"{len(prompt.tokens)} tokens (id, * for a control token, text):"
    return "\n".join([prompt.text, "", header, *_lines(prompt.tokens), ""])


def _lines(tokens: Sequence[PromptToken]) -> Iterator[str]:
    width = max((len(str(token.id)) for token in tokens), default=1)
    name, parts = "", 0
    for token in tokens:
        if parts and (token.id >= 0 or token.text):
            yield _picture(name, parts, width)
            parts = 0
        if token.id < 0:
            name, parts = name if parts else token.text, parts + 1
        else:
            text = json.dumps(token.text, ensure_ascii=False)
            yield f"{token.id:>{width}} {'*' if token.special else ' '} {text}"
    if parts:
        yield _picture(name, parts, width)


def _picture(name: str, parts: int, width: int) -> str:
    shown = caption(Picture("", f"{sanitize_line(name)}, {parts} tokens"))
    return f"{'':>{width}} * {shown}"
