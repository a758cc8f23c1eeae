"""Conversations as documents: Markdown, and one self-contained HTML file without scripts."""

import base64
import html
import re
from collections.abc import Iterator
from dataclasses import replace

from chatcli.chat.conversation import EPOCH, Conversation
from chatcli.chat.message import Message, Picture, Role
from chatcli.chat.pictures import caption
from chatcli.chat.transcript.markup import SURROGATE
from chatcli.chat.transcript.writer import tag_of
from chatcli.errors import ChatcliError

# CommonMark 0.31, 4.5: up to three spaces, then three or more backticks or tildes.
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>#&])")
_BLOCK = re.compile(
    r"^ {0,3}(?P<fence>`{3,}+|~{3,}+)(?P<info>[^`\n]*)\n(?P<code>.*?)(?:^ {0,3}(?P=fence)[`~]*[ \t]*$\n?|\Z)",
    re.MULTILINE | re.DOTALL,
)
# Control characters that HTML forbids (whatwg.org, 13.1.3); shown as control pictures.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# First bytes of the formats that every browser shows. Not SVG, which may contain programs, nor TIFF.
_MEDIA = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "image/avif": re.compile(rb"....ftypavi[fs]", re.DOTALL),
    "image/bmp": re.compile(rb"BM"),
}

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --back: #fff; --user: #eef3fb; --code: #f4f4f2;
  --dim: #5d6670 }
@media (prefers-color-scheme: dark) {
  :root { --text: #dfe3e8; --back: #15181c; --user: #1f2a3a; --code: #22262b; --dim: #97a1ac }
}
body { margin: 0 auto; max-width: 46rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.3rem; line-height: 1.3; margin: .5rem 0 0 }
h2 { font-size: .85rem; margin: 0; color: var(--dim) }
article { margin: 1.2rem 0; padding: .7rem .9rem; border-radius: .6rem }
.user { background: var(--user) }
.system, header p, summary { color: var(--dim); font-size: .85rem }
.words { white-space: pre-wrap; unicode-bidi: isolate }
pre { background: var(--code); padding: .7rem; border-radius: .4rem; overflow-x: auto; overflow-wrap: normal }
code { font: .875rem/1.45 ui-monospace, monospace }
img { display: block; max-width: 100%; max-height: 32rem; margin: .5rem 0; border-radius: .4rem }
"""


def render_markdown(conversation: Conversation) -> Iterator[str]:
    """The active path in Markdown: a heading for each message, then its text as it is.

    Pictures are named before the text. A code block that a message leaves open is closed, so that it does
    not swallow the messages after it.
    """
    if title := _escaped(conversation.title):
        yield f"# {title}\n\n"
    for message in conversation.messages():
        words = message.content.removesuffix("\n")
        content = "\n\n".join([*map(_named, message.pictures), *filter(None, [words])])
        fence = open_fence(content)
        yield f"## {tag_of(message.role, conversation.assistant)}\n\n{content}\n"
        yield f"{fence}\n\n" if fence else "\n"


def _named(picture: Picture) -> str:
    return caption(replace(picture, name=_escaped(picture.name)))


def _escaped(text: str) -> str:
    """Text on one line with all Markdown escaped."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def open_fence(text: str) -> str:
    """The fence that closes the code block a text leaves open, or an empty string."""
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


def render_html(conversation: Conversation) -> Iterator[str]:
    """The active path as an HTML page, in pieces. Messages and title appear as plain text.

    Pictures are embedded in the page; those whose bytes cannot be read are named.
    """
    title = " ".join(conversation.title.split()) or conversation.id or "Conversation"
    yield html_head(title, _STYLE)
    began = conversation.started.isoformat(" ", "minutes") if conversation.started > EPOCH else ""
    yield f'<header>\n<h1 dir="auto">{html_text(title)}</h1>\n<p>{began}</p>\n</header>\n<main>\n'
    for message in conversation.messages():
        yield _article(message, conversation.assistant)
    yield "</main>\n</body>\n</html>\n"


def _article(message: Message, assistant: str) -> str:
    thoughts = ""
    if message.reasoning and message.role is Role.ASSISTANT:
        words = html_text(message.reasoning)
        thoughts = f'<details>\n<summary>Reasoning</summary>\n<div class="words">{words}</div>\n</details>\n'
    heading = f"<h2>{html_text(tag_of(message.role, assistant))}</h2>"
    shown = "".join([*map(_image, message.pictures), *_body(message.content)])
    return f'<article class="{message.role.value}">\n{heading}\n{thoughts}{shown}</article>\n'


def _image(picture: Picture) -> str:
    """An embedded picture, or its caption if it cannot be shown."""
    try:
        data = picture.read() if picture.read else b""
    except ChatcliError:
        data = b""
    media = next((name for name, begins in _MEDIA.items() if begins.match(data)), None)
    if media is None:
        return _words(caption(picture))
    source = base64.b64encode(data).decode()
    return f'<img src="data:{media};base64,{source}" alt="{html_text(caption(picture))}">\n'


def _body(content: str) -> Iterator[str]:
    """Text as it was typed, with code blocks set apart."""
    at = 0
    for block in _BLOCK.finditer(content):
        yield _words(content[at : block.start()])
        yield f"<pre><code>{html_text(block['code'])}</code></pre>\n"
        at = block.end()
    yield _words(content[at:])


def _words(text: str) -> str:
    text = text.strip("\n")
    return f'<div class="words" dir="auto">{html_text(text)}</div>\n' if text else ""


def html_head(title: str, style: str) -> str:
    """The beginning of an HTML page that loads nothing: everything up to ``<body>``."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
        f"<title>{html_text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    )


def html_text(text: str) -> str:
    """Text escaped for HTML; characters that HTML forbids are replaced by visible ones."""
    return html.escape(_CONTROLS.sub(_visible, SURROGATE.sub("\ufffd", text)))


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"
