"""What is written is read, whatever it is and however the file is cut into chunks."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatcli.chat.conversation import Conversation
from chatcli.chat.message import Message, Role, assistant, user
from chatcli.chat.transcript import markup
from chatcli.chat.transcript.reader import load
from chatcli.chat.transcript.writer import Position, render, render_bare, render_message
from tests.chat.strategies import ANY_TEXT, MESSAGES, NAMES, TEXTS, conversations

SOAK = settings(max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


def check_conversation(conversation: Conversation, size: int) -> None:
    data = "".join(render(conversation)).encode()
    loaded = load(chunks(data, size))
    assert loaded.conversation == conversation
    assert (loaded.torn, loaded.problems) == ((), ())
    assert loaded.appendable
    assert list(render(loaded.conversation)) == list(render(conversation))


def check_text(text: str, name: str) -> None:
    for message in (user(text), assistant(text, text), Message(Role.SYSTEM, text)):
        conversation = Conversation(text, title=text, assistant=name, extra={"note": text})
        conversation.append(message, extra={"note": text})
        check_conversation(conversation, 1 << 16)


def check_bare(messages: list[Message], name: str, size: int) -> None:
    data = "".join(render_bare(messages, name)).encode()
    read = load(chunks(data, size), assistant=name).conversation
    assert [(m.role, m.content) for m in read.messages()] == [(m.role, m.content) for m in messages]
    assert read.assistant == name


@settings(deadline=None)
@given(conversations(), st.sampled_from([1, 3, 64, 1 << 16]))
def test_any_conversation_comes_back(conversation: Conversation, size: int) -> None:
    """Any tree with any texts, attributes and provenance is read as it was written, in any chunks."""
    check_conversation(conversation, size)


@given(TEXTS | ANY_TEXT, NAMES)
def test_any_text_comes_back(text: str, name: str) -> None:
    """Any Unicode string survives as content, reasoning, title, id and attribute."""
    check_text(text, name)


@given(st.lists(MESSAGES, max_size=5), NAMES, st.sampled_from([1, 7, 1 << 16]))
def test_any_bare_transcript_comes_back(messages: list[Message], name: str, size: int) -> None:
    """The bare form keeps every word and finds the assistant's name by itself."""
    check_bare(messages, name, size)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@SOAK
@given(conversations(), st.sampled_from([1, 3, 64, 1 << 16]))
def test_soak_any_conversation_comes_back(conversation: Conversation, size: int) -> None:
    """As above, 20,000 times."""
    check_conversation(conversation, size)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@SOAK
@given(TEXTS | ANY_TEXT, NAMES)
def test_soak_any_text_comes_back(text: str, name: str) -> None:
    """As above, 20,000 times."""
    check_text(text, name)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@SOAK
@given(st.lists(MESSAGES, max_size=5), NAMES, st.sampled_from([1, 7, 1 << 16]))
def test_soak_any_bare_transcript_comes_back(messages: list[Message], name: str, size: int) -> None:
    """As above, 20,000 times."""
    check_bare(messages, name, size)


@given(TEXTS, NAMES, st.sampled_from(["user", "system"]), st.booleans())
def test_escaping_is_undone_and_leaves_no_tag_of_ours(text: str, name: str, tag: str, numbered: bool) -> None:
    """Escaped content holds no close tag of its element and, if numbered, no line like our elements."""
    escaped = markup.escape(text, tag, name, numbered=numbered)
    assert markup.unescape(escaped, tag, name, numbered=numbered) == text
    assert f"</{tag}>" not in escaped
    assert not numbered or not markup.landmark(name).search(escaped)
    escaped.encode()


@pytest.mark.parametrize(
    "text",
    [
        "if a < b && c > d: print('&amp;', \"&lt;\")",
        "<div class='x'>\n  <user>x</user2>\n<!-- </lkjsxclm> -->\n</div>",
        '{"a": "\\ud800 &quot;"}\r\n\tline\u2028line\0',
        '  <user id="3">indented, so no line of ours',
    ],
)
def test_ordinary_text_stands_as_typed(text: str) -> None:
    """Code, XML, entities and control characters are not escaped: the file shows what was typed."""
    written, _ = render_message(Conversation().append(user(text)), Position())
    assert written == f'<user id="1">{text}</user>\n'


def test_text_that_looks_escaped_is_kept_apart_from_escaped_text() -> None:
    """Only a close tag, a line like our own, a lone surrogate, and what already looks like those escaped."""
    text = '</user>&lt;/user>&amp;lt;/user>\n<user id="\n<head id="4"/>\n&lt;title text="\ud800&#xD800;'
    written, _ = render_message(Conversation().append(user(text)), Position())
    assert written == (
        '<user id="1">&lt;/user>&amp;lt;/user>&amp;amp;lt;/user>\n&lt;user id="\n&lt;head id="4"/>\n'
        '&amp;lt;title text="&#xD800;&amp;#xD800;</user>\n'
    )
