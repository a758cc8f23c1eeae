"""A file that was cut anywhere costs at most the message being written, and takes further messages."""

from datetime import UTC, datetime

import pytest

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Role, assistant, system, user
from chatcli.chat.transcript.reader import ReadTranscript, load
from chatcli.chat.transcript.writer import Position, mend, render_head, render_message, render_session
from chatcli.chat.transcript.writer import render_title as title

NAMES = pytest.mark.parametrize("name", ["lkjsxclm", "🤖é"])


def example(name: str) -> tuple[list[bytes], list[int]]:
    """The durable writes of a chat, and how many messages the file holds after each."""
    moment = datetime(2026, 11, 20, tzinfo=UTC)
    conversation = Conversation("c1", moment, "Ein Tïtel", name, extra={"äpp": "t"})
    position = Position(conversation.assistant)
    writes, held = [render_session(conversation)], [0]

    def say(message: Message) -> None:
        nonlocal position
        text, position = render_message(conversation.append(message, extra={"é": "ü"}), position)
        writes.append(text)
        held.append(held[-1] + 1)

    answered = Generation(ModelRef("m", sha256="ab"), FinishReason.END)
    say(system("Be <b>kind</b>.\n"))
    say(user(f'Wie heißt das?\n</user>\n<{name} id="9">\n'))
    say(Message(Role.ASSISTANT, "🤖 &lt;/user>\n\n", 'Hm, "so"\n<user id="1">', answered))
    say(user(f"\ud800 a < b\n<system>\n<{name}>\n <user>"))
    conversation.move_head(2)
    writes.append(render_head(2))
    held.append(held[-1])
    say(assistant("Another answer"))
    writes.append(title("Größe"))
    held.append(held[-1])
    say(user("Once more"))
    return [write.encode() for write in writes], held


def read(data: bytes) -> ReadTranscript:
    return load([data])


def cuts(name: str) -> list[tuple[int, int, bool]]:
    """Every place to cut the example: bytes kept, messages that are whole, whether an element is torn."""
    writes, held = example(name)
    places, start, before = [], 0, 0
    for write, after in zip(writes, held, strict=True):
        lines = write.split(f"\n<{name} ".encode(), 1) if write.startswith(b"<model") else [write]
        whole_first = len(lines[0]) if len(lines) > 1 else -1
        for kept in range(len(write)):
            whole = kept == len(write) - 1
            torn = kept > 0 and not whole and kept not in (whole_first, whole_first + 1)
            places.append((start + kept, after if whole else before, torn))
        start, before = start + len(write), after
    return places


@NAMES
def test_a_cut_anywhere_costs_at_most_the_last_message_and_is_reported(name: str) -> None:
    """At every byte offset, strictly read: all whole messages are there, a torn one is told apart."""
    data = b"".join(example(name)[0])
    whole = list(read(data).conversation.nodes)
    for kept, messages, torn in cuts(name):
        loaded = read(data[:kept])
        assert list(loaded.conversation.nodes) == whole[:messages], kept
        assert len(loaded.torn) == torn, (kept, loaded.torn)
        assert all(tear.at_end for tear in loaded.torn)


def after_mending(data: bytes) -> tuple[bytes, ReadTranscript, Node]:
    """What the next process does: read, mend, append a message."""
    before = read(data)
    node = before.conversation.append(user("next\n"))
    text, _ = render_message(node, before.position)
    return data + mend(data[-1:]) + text.encode(), before, node


@NAMES
def test_the_next_append_after_a_cut_anywhere_is_read(name: str) -> None:
    """At every byte offset: a message appended after mending is read; the tear stays known."""
    data = b"".join(example(name)[0])
    appendable = 0
    for kept, _messages, torn in cuts(name):
        before = read(data[:kept])
        if not before.appendable:
            continue
        appendable += 1
        mended, before, _ = after_mending(data[:kept])
        after = read(mended)
        assert after.conversation == before.conversation, kept
        assert len(after.torn) == torn, kept
        assert not any(tear.at_end for tear in after.torn)
    assert appendable == len(data) - len(example(name)[0][0]) + 1  # all but the cuts in the header


@NAMES
def test_two_tears_in_a_row_are_survived(name: str) -> None:
    """A crash while writing, and another while writing again, at every offset of the second."""
    data = b"".join(example(name)[0])
    for first in range(200, len(data), 37):
        once, before, _ = after_mending(data[:first])
        for second in range(first + 1, len(once)):
            twice, _, node = after_mending(once[:second])
            nodes = list(read(twice).conversation.nodes)
            assert nodes[-1] == node
            assert nodes[:-1][: len(before.conversation) - 1] == list(before.conversation.nodes)[:-1]


def test_zeros_at_the_end_are_a_tear() -> None:
    """Some file systems leave zero bytes where a write was lost; the chat opens and goes on."""
    data = b"".join(example("bot")[0])
    mended, before, _ = after_mending(data + bytes(4096))
    assert len(before.torn) == 1
    assert before.torn[0].at_end
    assert read(mended).conversation == before.conversation


def test_a_torn_bare_element_is_not_appended_to() -> None:
    """Nothing marks where a bare element breaks off, so such a file is to be written anew."""
    loaded = read(b"<user>a</user><bot>b</bot><user>c")
    assert [m.content for m in loaded.conversation.messages()] == ["a", "b"]
    assert [(tear.line, tear.column, tear.text) for tear in loaded.torn] == [(1, 27, "c")]
    assert not loaded.appendable


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ("", ["a", "b", "c\n"]),
        ('<user id="4">d</user>', ["a", "b", "c", "d"]),
        ('<user id="3">d</user>', ["a", "b", "d"]),
        ('<head id="2"/>\n<user id="3">d</user>', ["a", "b", "d"]),
        ('<head id="2"/>\n', ["a", "b"]),
    ],
)
def test_repair_keeps_the_part_that_came_unless_it_was_written_again(later: str, expected: list[str]) -> None:
    """A later message that takes the torn one's id was written by someone who knew of the tear."""
    data = '<session id="x" assistant="bot"/>\n<user id="1">a</user>\n<bot id="2">b</bot>\n<user id="3">c\n'
    loaded = load([data + later], repair=True)
    assert [m.content for m in loaded.conversation.messages()] == expected
    assert len(loaded.torn) == 1
    assert not loaded.appendable


def test_a_cut_answer_that_is_repaired_says_so() -> None:
    """The part of an answer that came is marked as interrupted, whatever its attributes promised."""
    data = '<model name="m"/>\n<bot id="1" stop="end">Half an ans'
    [message] = load([data], repair=True).conversation.messages()
    assert message.generation is not None
    assert message.generation.finish_reason is FinishReason.INTERRUPTED
