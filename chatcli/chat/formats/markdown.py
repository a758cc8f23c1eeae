"""A conversation as a Markdown document."""

import re
from collections.abc import Iterator

from chatcli.chat.conversation import Conversation
from chatcli.chat.transcript_writer import tag_of

# CommonMark 0.31, 4.5: up to three spaces, then three or more backticks or tildes.
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_SPECIAL = re.compile(r"([\\`*_\[\]<>#&])")


def render_markdown(conversation: Conversation) -> Iterator[str]:
    """The messages of the active path under a heading each; their words stand as they are.

    A code block that a message leaves open is closed, so that it does not swallow the messages after it.
    """
    title = " ".join(conversation.title.split())
    if title:
        escaped = _SPECIAL.sub(r"\\\1", title)
        yield f"# {escaped}\n\n"
    for message in conversation.messages():
        content = message.content.removesuffix("\n")
        fence = open_fence(content)
        yield f"## {tag_of(message.role, conversation.assistant)}\n\n{content}\n"
        yield f"{fence}\n\n" if fence else "\n"


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
