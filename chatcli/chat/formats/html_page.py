"""A conversation as one HTML file: without scripts, complete in itself, light and dark, for any width."""

import base64
import html
import re
from collections.abc import Iterator

from chatcli.chat.conversation import EPOCH, Conversation
from chatcli.chat.message import Message, Picture, Role
from chatcli.chat.pictures import caption
from chatcli.chat.transcript.markup import SURROGATE
from chatcli.chat.transcript.writer import tag_of
from chatcli.errors import ChatcliError

_BLOCK = re.compile(
    r"^ {0,3}(?P<fence>`{3,}+|~{3,}+)(?P<info>[^`\n]*)\n(?P<code>.*?)(?:^ {0,3}(?P=fence)[`~]*[ \t]*$\n?|\Z)",
    re.MULTILINE | re.DOTALL,
)
# Not allowed in HTML (whatwg.org, 13.1.3): controls but white space. Shown as control pictures.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# What every browser shows, by the first bytes of a file. No SVG, which is a program, and no TIFF.
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


def render_html(conversation: Conversation) -> Iterator[str]:
    """The page of the active path, in pieces. Whatever a message or the title holds is text there.

    Pictures are in the page itself where their bytes can be had, else named.
    """
    title = " ".join(conversation.title.split()) or conversation.id or "Conversation"
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
    )
    began = conversation.started.isoformat(" ", "minutes") if conversation.started > EPOCH else ""
    yield f'<header>\n<h1 dir="auto">{_text(title)}</h1>\n<p>{began}</p>\n</header>\n<main>\n'
    for message in conversation.messages():
        yield _article(message, conversation.assistant)
    yield "</main>\n</body>\n</html>\n"


def _article(message: Message, assistant: str) -> str:
    thoughts = ""
    if message.reasoning and message.role is Role.ASSISTANT:
        words = _text(message.reasoning)
        thoughts = f'<details>\n<summary>Reasoning</summary>\n<div class="words">{words}</div>\n</details>\n'
    heading = f"<h2>{_text(tag_of(message.role, assistant))}</h2>"
    shown = "".join([*map(_image, message.pictures), *_body(message.content)])
    return f'<article class="{message.role.value}">\n{heading}\n{thoughts}{shown}</article>\n'


def _image(picture: Picture) -> str:
    """A picture, or its caption where it cannot be shown."""
    try:
        data = picture.read() if picture.read else b""
    except ChatcliError:
        data = b""
    media = next((name for name, begins in _MEDIA.items() if begins.match(data)), None)
    if media is None:
        return _words(caption(picture))
    source = base64.b64encode(data).decode()
    return f'<img src="data:{media};base64,{source}" alt="{_text(caption(picture))}">\n'


def _body(content: str) -> Iterator[str]:
    """Words as they were typed, and code blocks as such."""
    at = 0
    for block in _BLOCK.finditer(content):
        yield _words(content[at : block.start()])
        yield f"<pre><code>{_text(block['code'])}</code></pre>\n"
        at = block.end()
    yield _words(content[at:])


def _words(text: str) -> str:
    text = text.strip("\n")
    return f'<div class="words" dir="auto">{_text(text)}</div>\n' if text else ""


def _text(text: str) -> str:
    return html.escape(_CONTROLS.sub(_visible, SURROGATE.sub("\ufffd", text)))


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"
