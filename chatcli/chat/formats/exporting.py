"""The formats in which a conversation can be exported, by name and by file suffix."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath

from chatcli.chat.conversation import Conversation
from chatcli.chat.formats.documents import render_html, render_markdown
from chatcli.chat.formats.json_text import json_text
from chatcli.chat.formats.message_lists import RECORDS
from chatcli.chat.transcript.writer import render_bare
from chatcli.errors import UsageError

#: The formats whose files hold one conversation.
DOCUMENTS: Mapping[str, Callable[[Conversation], Iterator[str]]] = {
    "bare": lambda conversation: render_bare(conversation.messages(), conversation.assistant),
    "markdown": render_markdown,
    "html": render_html,
}
FORMATS = (*DOCUMENTS, *RECORDS)
#: The transcript itself, with all branches; it is copied, not rendered.
RAW = "raw"
KINDS = (*FORMATS, RAW)
SUFFIXES: Mapping[str, str] = {
    ".txt": "bare",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
    ".jsonl": "json",
}


def kind_of(file: str, wanted: str | None = None) -> str:
    """The wanted format, else that of the file's suffix; bare without one. Raises UsageError."""
    if wanted is not None:
        if wanted not in KINDS:
            raise UsageError(f"unknown format {wanted!r}; choose one of {', '.join(KINDS)}")
        return wanted
    suffix = PurePath(file).suffix.lower()
    if not suffix:
        return "bare"
    if suffix not in SUFFIXES:
        raise UsageError(f"{suffix} files have no known format; choose one of {', '.join(KINDS)}")
    return SUFFIXES[suffix]


def render_as(conversation: Conversation, kind: str, *, line: bool = False) -> Iterator[str]:
    """The active path of a conversation in one of ``FORMATS``.

    Args:
        line: write a record on one line, so that others can follow it; ShareGPT's and TRL's always are.
    """
    if kind in DOCUMENTS:
        yield from DOCUMENTS[kind](conversation)
    else:
        indent = 2 if kind == "json" and not line else None
        yield json_text(RECORDS[kind](conversation), indent=indent)


def suffix_of(kind: str) -> str:
    """The file suffix of a format."""
    return next((suffix for suffix, name in SUFFIXES.items() if name == kind), ".jsonl")
