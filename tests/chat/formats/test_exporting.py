"""Exports: what is written reads back, and is harmless where it is shown."""

import base64
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.chat.conversation import Conversation
from chatcli.chat.formats.documents import open_fence
from chatcli.chat.formats.exporting import FORMATS, render_as
from chatcli.chat.formats.importing import Imported, read_chats
from chatcli.chat.formats.json_text import json_text
from chatcli.chat.message import Picture, assistant, user
from chatcli.chat.pictures import in_words
from chatcli.chat.transcript.reader import load
from chatcli.errors import StorageError
from tests.chat.strategies import ANY_TEXT, TEXTS, conversations
from tests.pictures import picture

HOSTILE = [
    "</title><script>alert(1)</script>",
    '"></p><img src=x onerror=alert(1)>',
    "<!--",
    "&lt;b&gt;",
    "\x1b[2J\x00",
]


def joined(text: str) -> str:
    """Text in which surrogates that make a pair are one character, as every reader of JSON has it."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@pytest.mark.parametrize("kind", ["json", "sharegpt", "trl"])
@given(conversations())
def test_records_read_back(kind: str, conversation: Conversation) -> None:
    """Exported and imported, the messages are the same; JSON keeps title, name and reasoning too.

    It names pictures, which become words, since their bytes are elsewhere; the other formats are words only.
    """
    (found,) = read_chats("".join(render_as(conversation, kind)), assistant="bot", kind=kind)
    assert isinstance(found, Imported)
    back, wanted = found.conversation, conversation.messages()
    said = [(m.role, joined(in_words(m) if kind == "json" else m.content)) for m in wanted]
    assert [(m.role, m.content) for m in back.messages()] == said
    assert not any(m.pictures for m in back.messages())
    if kind == "json":
        assert back.assistant == conversation.assistant
        assert [m.reasoning for m in back.messages()] == [m.reasoning and joined(m.reasoning) for m in wanted]


@given(conversations())
def test_the_bare_form_reads_back(conversation: Conversation) -> None:
    """The bare form holds the same words, exactly."""
    text = "".join(render_as(conversation, "bare")).encode()
    back = load([text], assistant=conversation.assistant).conversation.messages()
    assert [(m.role, m.content) for m in back] == [(m.role, m.content) for m in conversation.messages()]


@given(ANY_TEXT | TEXTS)
def test_json_holds_nothing_a_terminal_acts_on(text: str) -> None:
    """No control, no bidirectional or invisible character, no surrogate; the value reads back."""
    written = json_text({"x": text})
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", written)
    assert json.loads(written) == {"x": joined(text)}


class Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.images: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect a tag and what it carries."""
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.words.append(data)


@given(conversations(), st.lists(st.sampled_from(HOSTILE), max_size=3))
def test_html_is_our_own_tags_only(conversation: Conversation, more: list[str]) -> None:
    """Whatever a chat holds is text on the page: no tag or attribute but ours, one article a message."""
    conversation.title += "".join(more)
    for text in more:
        conversation.append(user(text, picture(text), Picture("c" * 64, text)))
        conversation.append(assistant(f"```\n{text}", reasoning=text))
    text = "".join(render_as(conversation, "html"))
    page = Page(text)
    assert page.tags.count("article") == len(conversation.path())
    assert set(page.tags) <= {
        *("html", "head", "meta", "title", "style", "body", "header", "main", "article"),
        *("h1", "h2", "p", "div", "pre", "code", "details", "summary", "img"),
    }
    assert page.attributes <= {
        *("lang", "charset", "name", "content", "http-equiv", "class", "dir", "src", "alt")
    }
    assert len(page.images) == len(more)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", text)


def test_html_shows_the_words() -> None:
    """Words stand on the page as they were typed, code in its block; it fits a phone and the dark."""
    conversation = Conversation("x", title="A <b> title")
    conversation.append(user("a < b & c"))
    conversation.append(assistant("See:\n```python\nif a < b: pass\n```\nDone."))
    text = "".join(render_as(conversation, "html"))
    words = Page(text).words
    assert {"A <b> title", "a < b & c", "See:", "if a < b: pass\n", "Done."} <= set(words)
    assert "width=device-width" in text
    assert "prefers-color-scheme: dark" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:\"" in text


def page_with(*pictures: Picture) -> Page:
    """The page of a question about pictures."""
    conversation = Conversation()
    conversation.append(user("Which?", *pictures))
    return Page("".join(render_as(conversation, "html")))


_SHOWN = {
    **{kind: picture("cat.txt", kind=kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP")},
    "AVIF": Picture("c" * 64, "cat.txt", lambda: b"\x00\x00\x00\x20ftypavif"),  # not every Pillow writes it
}


@pytest.mark.parametrize("kind", _SHOWN)
def test_html_holds_the_pictures(kind: str) -> None:
    """Whatever their names say, with the type that their bytes have; nothing is loaded from anywhere."""
    read = _SHOWN[kind].read
    assert read is not None
    source = f"data:image/{kind.lower()};base64,{base64.b64encode(read()).decode()}"
    assert page_with(_SHOWN[kind]).images == [{"src": source, "alt": "[picture: cat.txt]"}]


def _gone() -> bytes:
    raise StorageError("there is no file")


_UNSHOWN = [None, _gone, lambda: b"", lambda: b"<svg onload='alert(1)'/>", picture("a", kind="TIFF").read]


@pytest.mark.parametrize("read", _UNSHOWN)
def test_html_names_what_it_cannot_show(read: object) -> None:
    """A picture whose bytes are unknown, gone, or none that a browser only draws."""
    page = page_with(Picture("c" * 64, "a<b>.png", read))  # type: ignore[arg-type]
    assert (page.images, page.words.count("[picture: a<b>.png]")) == ([], 1)


def test_documents_and_lists_say_what_they_hold() -> None:
    """Markdown names pictures before the words, as text; JSON says which; trainers get words only."""
    conversation = Conversation()
    conversation.append(user("# Which?", Picture("c" * 64, "cat.png"), Picture("d" * 64, "a](b)\n# *c*")))
    text = {kind: "".join(render_as(conversation, kind)) for kind in FORMATS}
    assert text["markdown"] == (
        "## user\n\n[picture: cat.png]\n\n[picture: a\\](b) \\# \\*c\\*]\n\n# Which?\n\n"
    )
    (message,) = json.loads(text["json"])["messages"]
    assert message["pictures"] == [
        {"sha256": "c" * 64, "name": "cat.png"},
        {"sha256": "d" * 64, "name": "a](b)\n# *c*"},
    ]
    assert not any("cat" in text[kind] for kind in ("bare", "sharegpt", "trl"))


def test_hostile_fences_cost_linear_time() -> None:
    """A megabyte of fence characters is a page at once."""
    conversation = Conversation()
    for character in "`~":
        conversation.append(user(character * 1_000_000))
        conversation.append(assistant((character * 3 + "\n") * 100_000))
    assert "".join(render_as(conversation, "html")).endswith("</html>\n")


@pytest.mark.parametrize(
    ("text", "fence"),
    [
        ("plain", ""),
        ("```py\ncode", "```"),
        ("```py\ncode\n```", ""),
        ("````\n```\n", "````"),
        ("~~~~\n```", "~~~~"),
        ("``` a ` b", ""),
        ("```\n``` x", "```"),
    ],
)
def test_an_open_code_block_is_closed(text: str, fence: str) -> None:
    """Markdown: a block that a message leaves open does not swallow the messages after it."""
    assert open_fence(text) == fence
    conversation = Conversation(title="a *b*\nc")
    conversation.append(user(text))
    conversation.append(assistant("next"))
    shown = "".join(render_as(conversation, "markdown"))
    assert shown.startswith("# a \\*b\\* c\n\n## user\n\n" + text)
    assert shown.endswith(f"{fence}\n\n## lkjsxclm\n\nnext\n\n" if fence else "\n\n## lkjsxclm\n\nnext\n\n")


def test_every_format_ends_with_a_line_end() -> None:
    """Files are text files."""
    conversation = Conversation()
    conversation.append(user("hi"))
    assert all("".join(render_as(conversation, kind)).endswith("\n") for kind in FORMATS)
