"""The formats a conversation can be written in, by name and by the suffix of a file."""

from collections.abc import Callable, Iterator, Mapping

from chatcli.chat.conversation import Conversation
from chatcli.chat.formats.html_page import render_html
from chatcli.chat.formats.json_text import json_text
from chatcli.chat.formats.markdown import render_markdown
from chatcli.chat.formats.records import RECORDS
from chatcli.chat.transcript_writer import render_bare

#: Documents hold one conversation.
DOCUMENTS: Mapping[str, Callable[[Conversation], Iterator[str]]] = {
    "bare": lambda conversation: render_bare(conversation.messages(), conversation.assistant),
    "markdown": render_markdown,
    "html": render_html,
}
FORMATS = (*DOCUMENTS, *RECORDS)
SUFFIXES: Mapping[str, str] = {
    ".txt": "bare",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
    ".jsonl": "json",
}


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
