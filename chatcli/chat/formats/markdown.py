"""A conversation as a Markdown document."""

import re
from collections.abc import Iterator
from dataclasses import replace

from chatcli.chat.conversation import Conversation
from chatcli.chat.message import Picture
from chatcli.chat.pictures import caption
from chatcli.chat.transcript.writer import tag_of

# CommonMark 0.31, 4.5: up to three spaces, then three or more backticks or tildes.
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_SPECIAL = re.compile(r"([\\`*_\[\]<>#&])")


def render_markdown(conversation: Conversation) -> Iterator[str]:
    """The messages of the active path under a heading each; their words stand as they are.

    Pictures are named before the words. A code block that a message leaves open is closed, so that it does
    not swallow the messages after it.
    """
    if title := _plain(conversation.title):
        yield f"# {title}\n\n"
    for message in conversation.messages():
        words = message.content.removesuffix("\n")
        content = "\n\n".join([*map(_named, message.pictures), *filter(None, [words])])
        fence = open_fence(content)
        yield f"## {tag_of(message.role, conversation.assistant)}\n\n{content}\n"
        yield f"{fence}\n\n" if fence else "\n"


def _named(picture: Picture) -> str:
    return caption(replace(picture, name=_plain(picture.name)))


def _plain(text: str) -> str:
    """Text on one line in which nothing is markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def open_fence(text: str) -> str:
    """The fence that would close the code block which a text leaves open; empty: there is none."""
    fence = ""
    for line in text.split("\n"):
        if not (found := _FENCE.match(line)):
            continue
        marks, rest = found[1], found[2]
        if not fence:
            fence = "" if marks[0] == "`" and "`" in rest else marks
        elif marks.startswith(fence) and not rest.strip():
            fence = ""
    return fence
