"""The formats a conversation can be written in, by name and by the suffix of a file."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath

from chatcli.chat.conversation import Conversation
from chatcli.chat.formats.html_page import render_html
from chatcli.chat.formats.json_text import json_text
from chatcli.chat.formats.markdown import render_markdown
from chatcli.chat.formats.records import RECORDS
from chatcli.chat.transcript.writer import render_bare
from chatcli.errors import UsageError

#: Documents hold one conversation.
DOCUMENTS: Mapping[str, Callable[[Conversation], Iterator[str]]] = {
    "bare": lambda conversation: render_bare(conversation.messages(), conversation.assistant),
    "markdown": render_markdown,
    "html": render_html,
}
FORMATS = (*DOCUMENTS, *RECORDS)
#: The file of a conversation as it is, with all branches; storage has it, nothing renders it.
RAW = "raw"
#: Everything that can be asked for.
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
    """The format that is meant: the ``wanted`` one, else the one of the file's suffix; bare without any.

    Raises:
        UsageError: there is no such format, or none goes with the suffix.
    """
    if wanted is not None:
        if wanted not in KINDS:
            raise UsageError(f"there is no format {wanted!r}; known are {', '.join(KINDS)}")
        return wanted
    suffix = PurePath(file).suffix.lower()
    if not suffix:
        return "bare"
    if suffix not in SUFFIXES:
        raise UsageError(f"no format goes with {suffix}; name one of {', '.join(KINDS)}")
    return SUFFIXES[suffix]


def render_as(conversation: Conversation, kind: str, *, line: bool = False) -> Iterator[str]:
    """The active path of a conversation in a format.

    Args:
        kind: one of ``FORMATS``.
        line: a record takes one line, so that others can follow it; ShareGPT's and TRL's always do.
    """
    if kind in DOCUMENTS:
        yield from DOCUMENTS[kind](conversation)
    else:
        indent = 2 if kind == "json" and not line else None
        yield json_text(RECORDS[kind](conversation), indent=indent)


def suffix_of(kind: str) -> str:
    """The suffix of a file in this format."""
    return next((suffix for suffix, name in SUFFIXES.items() if name == kind), ".jsonl")
