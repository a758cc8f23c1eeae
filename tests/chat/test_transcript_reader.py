"""What reads as a transcript, what does not, and what is saved of it."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.chat.message import FinishReason, Role
from chatcli.chat.transcript.reader import MessageRead, ReadTranscript, TranscriptReader, load
from chatcli.chat.transcript.scanner import Damage
from chatcli.chat.transcript.writer import mend, render
from chatcli.errors import TranscriptError
from tests.chat.strategies import TEXTS, conversations


def words(loaded: ReadTranscript) -> list[tuple[str, str]]:
    return [(node.message.role.value, node.message.content) for node in loaded.conversation.nodes]


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("", "lkjsxclm", []),
        (" \r\n\t\n", "lkjsxclm", []),
        ("<user>Hello?</user><bot>Hi</bot>", "bot", [("user", "Hello?"), ("assistant", "Hi")]),
        ("\ufeff<user>a</user>\r\n\r\n  <bot>b</bot>\r\n", "bot", [("user", "a"), ("assistant", "b")]),
        (
            "<user>a</user>\u2028\u00a0\x85<b-1.5:x>b</b-1.5:x>",
            "b-1.5:x",
            [("user", "a"), ("assistant", "b")],
        ),
        ("<user>\r\n two\r\nlines\n</user>", "lkjsxclm", [("user", "\r\n two\r\nlines\n")]),
        ("<system>s</system><user>u</user>", "lkjsxclm", [("system", "s"), ("user", "u")]),
        ("<user></user><model></model>", "model", [("user", ""), ("assistant", "")]),
        ("<assistant>a</assistant>", "assistant", [("assistant", "a")]),
        ("<user>a <b>c</b> <user> </bot> <user id='3'></user>", "lkjsxclm", None),
        ('<user>a\n<bot id="2">b</bot></user><bot>c</bot>', "bot", None),
        (
            "<user>&lt;b&gt; &amp; &#10; &lt;/user></user>",
            "lkjsxclm",
            [("user", "&lt;b&gt; &amp; &#10; </user>")],
        ),
        ("<user>a</user><hr/><note text='x'/><user>b</user>", "lkjsxclm", [("user", "a"), ("user", "b")]),
        ("<user a = '1\"' \r\n b=\"&lt;'\" >a</user >\n</user>", "lkjsxclm", [("user", "a</user >\n")]),
    ],
)
def test_the_bare_form_reads_from_anywhere(
    text: str, name: str, expected: list[tuple[str, str]] | None
) -> None:
    """Any one assistant's name, any white space between elements, a BOM, CRLF; content is kept exactly.

    Only the matching close tag ends an element; other tags in it are content (None: up to there).
    """
    loaded = load([text.encode()])
    if expected is None:
        assert words(loaded)[0] == ("user", text[len("<user>") :].partition("</user>")[0])
    else:
        assert words(loaded) == expected
    assert loaded.conversation.assistant == name
    assert not loaded.torn
    assert [node.parent for node in loaded.conversation.nodes] == [None, *range(1, len(loaded.conversation))][
        : len(loaded.conversation)
    ]


def test_elements_and_attributes_that_are_not_known_change_nothing() -> None:
    """Attributes are kept with their message, void elements are passed over."""
    text = (
        '<session id="s" started="2026-01-02T03:04:05+01:00" assistant="bot" mood="&lt;3"/>\n<later x="y"/>\n'
        '<user id="1" colour="red" parent="0">a</user>\n<bot id="2" stop="end">b</bot>\n'
    )
    loaded = load([text])
    first, second = loaded.conversation.nodes
    assert (loaded.conversation.extra, first.extra, second.extra) == (
        {"mood": "<3"},
        {"colour": "red"},
        {"stop": "end"},  # no <model/> says what ended
    )
    assert loaded.conversation.started.isoformat() == "2026-01-02T03:04:05+01:00"
    assert load(render(loaded.conversation)).conversation == loaded.conversation


def test_the_example_of_the_design_reads() -> None:
    """Siblings by ``parent``, provenance from the last ``<model/>``, a head that was moved."""
    text = """
<session id="x" started="2026-11-20T17:30:12Z" app="chatcli 0.1.0"/>
<model name="lkjsxclm" file="lkjsxclm-q8_0.gguf" sha256="ab" template="cd" temperature="0.7" unheard="of"/>
<user id="1">Explain Q-learning.</user>
<lkjsxclm id="2" seed="42" stop="end">Q-learning is ...</lkjsxclm>
<lkjsxclm id="3" parent="1" seed="43" stop="interrupted">A sibling answer</lkjsxclm>
<head id="2"/><title text="Q"/>
"""
    conversation = load([text]).conversation
    assert [node.id for node in conversation.siblings(2)] == [2, 3]
    assert (conversation.head, conversation.title) == (2, "Q")
    generation = conversation.node(3).message.generation
    assert generation is not None
    assert (generation.model.file, generation.parameters.seed) == ("lkjsxclm-q8_0.gguf", 43)
    assert generation.finish_reason is FinishReason.INTERRUPTED


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ("Hello", 1, 1, "expected <user>, <system> or <the name of the assistant>"),
        ("<user>a</user>\n and <bot>b</bot>", 2, 2, "text outside any element: 'and '"),
        ("<user>é</user></bot>", 1, 15, "a close tag, but nothing is open"),
        ("<user>a</user>\n<bot>b</bot>\n<gpt>c</gpt>", 3, 1, "expected <user>, <system> or <bot>"),
        ("<user id=5>a</user>", 1, 10, 'expected <name> or <name key="value">'),
        ("<user>a</user><!-- b --><bot>c</bot>", 1, 16, "not a tag: '<!-- b"),
        ("<user>a\n<bot>b</bot>\n<user>c</user>\n<bot>d</bot>", 3, 1, "expected </user> before this"),
        ("<bot>a</bot>\n<user>b\n<bot>c</bot>\n", 3, 1, "expected </user> before this"),
        ('<user id="1">a</user><user id="1">b</user>', 1, 22, "message 1 is there twice"),
        ('<user id="x">a</user>', 1, 1, "expected a number from 1"),
        ('<user id="9999999999999">a</user>', 1, 1, "expected a number from 1"),
        ('<user parent="2">a</user>', 1, 1, "no message 2"),
        ('<user parent="-1">a</user>', 1, 1, "expected a number"),
        ('<user>a</user><head id="2"/>', 1, 15, "no message 2"),
        ('<user>a</user><head id="last"/>', 1, 15, "expected a number"),
        ('<session assistant="user"/>', 1, 1, "cannot be the assistant's name"),
        ('<session started="today"/>', 1, 1, "expected 2026-01-31T12:00:00Z"),
        ('<session id="a"/>\n<session id="b"/>', 2, 1, "a second <session/>"),
        (b"<user>a</user>\n<bot>b\n \xff</bot>", 3, 2, "not UTF-8"),
        (b"<user>a</user>\n<bot a='\xff'>b</bot>", 2, 9, "not UTF-8"),
        ("<user>a</user>".encode("utf-16"), 1, 1, "UTF-16; save it as UTF-8"),
    ],
)
def test_damage_is_located(text: str | bytes, line: int, column: int, expected: str) -> None:
    """Line, column and what was expected; with ``repair`` the same is listed and nothing is raised."""
    with pytest.raises(TranscriptError) as caught:
        load([text])
    assert (caught.value.line, caught.value.column) == (line, column)
    assert expected in caught.value.problem


@pytest.mark.parametrize(
    ("text", "expected", "problems", "torn"),
    [
        ("Hello <user>a</user> and <bot>b</bot>.", ["a", "b"], 3, 0),
        ("<user>a\n<bot>b</bot>\n<user>c</user>\n<bot>d\n<user>e", ["a", "b", "c", "d", "e"], 2, 3),
        ("<user>a</user>\n<bot>b\n<user>c</user>\n<bot>d</bot>\n", ["a", "b", "c", "d"], 1, 1),
        ("<user id=5>a</user><bot>b</bot>", ["b"], 1, 0),
        ('<user id="1">a\n<bot>b</bot><user id="1">c</user>', ['a\n<bot>b</bot><user id="1">c'], 0, 0),
        ('<user id="1">a</user>\n<user id="1">b</user>', ["a", "b"], 1, 0),
        ('<user id="1">a</user>\n<user parent="7">b</user><bot>c</bot>', ["a", "b", "c"], 1, 0),
        (b"<user>a\xff</user>\xff<bot>b</bot>", ["a\ufffd", "b"], 2, 0),
        ("<user>a</user><bot>b</bot><gpt>c</gpt>", ["a", "b", "c"], 1, 0),
        ("</user><user>a</user></user></user>", ["a"], 2, 0),
        ("<user>é 🤖</user>".encode("utf-16"), ["é 🤖"], 1, 0),
        (b"\xfe\xff", [], 1, 0),
    ],
)
def test_repair_saves_what_can_be_saved(
    text: str | bytes, expected: list[str], problems: int, torn: int
) -> None:
    """Every message that can be told is read; each problem is listed with its place."""
    loaded = load([text], repair=True)
    assert [content for _, content in words(loaded)] == expected
    assert (len(loaded.problems), len(loaded.torn)) == (problems, torn)


def read_strictly(data: bytes) -> ReadTranscript | TranscriptError:
    try:
        return load([data])
    except TranscriptError as error:
        return error


def check_any_bytes(data: bytes, size: int) -> None:
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    repaired = load(chunks, repair=True)
    assert load(render(repaired.conversation)).conversation == repaired.conversation
    strict = read_strictly(data)
    if isinstance(strict, TranscriptError):
        assert repaired.problems or repaired.torn  # a torn message that others name is there once repaired
        assert 1 <= strict.line <= data.count(b"\n") + 1
        return
    assert not repaired.problems or strict.torn
    if not strict.torn:
        assert strict.conversation == repaired.conversation
    if strict.appendable:
        after = load([data, mend(data[-1:]), b'<user id="777777777777">more</user>\n'])
        assert [*strict.conversation.nodes] == [*after.conversation.nodes][:-1]


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """A file of ours in which a few places were overwritten, removed or inserted."""
    data = bytearray("".join(render(draw(conversations()))).encode())
    for _ in range(draw(st.integers(0, 4))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 30))
        data[at : at + length] = draw(st.binary(max_size=3) | TEXTS.map(lambda t: t.encode(errors="replace")))
    return bytes(data)


@settings(deadline=None)
@given(
    damaged_files() | st.binary() | TEXTS.map(lambda t: t.encode(errors="replace")),
    st.sampled_from([1, 5, 99]),
)
def test_whatever_the_file_repair_reads_it_and_the_result_can_be_written(data: bytes, size: int) -> None:
    """Strict reading raises only located errors; repair never raises and agrees where nothing is wrong."""
    check_any_bytes(data, size)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@settings(max_examples=20_000, deadline=None)
@given(
    damaged_files() | st.binary() | TEXTS.map(lambda t: t.encode(errors="replace")),
    st.sampled_from([1, 5, 99]),
)
def test_soak_whatever_the_file(data: bytes, size: int) -> None:
    """As above, 20,000 times."""
    check_any_bytes(data, size)


PIECES = [
    *(
        "<",
        "</",
        "<user>",
        '<user id="1">',
        '<user id="1">\n',
        "<user>\n",
        "&amp;",
        "&amp;amp;lt;",
        "<a ",
        "x<",
    ),
    *('<a b="', '\n<user id="', "<user a='", "</user>", "\n", "\0", "<!", '<user id="1" ', '<model name="\n'),
    *("\n<user", "<user>&lt;/user></user>\n", "</user><", "\n&lt;", "<a b='c'\n"),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", [20_000, pytest.param(2_000_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("piece", PIECES)
def test_hostile_repetition_takes_linear_time(piece: str, size: int) -> None:
    """Megabytes of any piece of syntax are repaired within the time limit; a quadratic reader takes hours."""
    load([piece * (size // len(piece))], repair=True)
    load(["<user>", piece * (size // len(piece)), "</user>"], repair=True)


def test_a_long_chat_is_read_as_events_one_message_at_a_time() -> None:
    """Messages come out while the file is still being read."""
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b"<user>Hello</user>\n<bot>Hi</bot>\n"

    events = iter(TranscriptReader(chunks()))
    first = next(events)
    assert isinstance(first, MessageRead)
    assert first.node.message.role is Role.USER
    assert taken < 4


MEMORY = """
import resource
from chatcli.chat.transcript.reader import MessageRead, TranscriptReader

def chunks(megabytes):
    piece = ("<user>" + "What? " * 20 + "</user>\\n<bot>" + "Well … " * 100 + "</bot>\\n").encode()
    piece *= 2**16 // len(piece)
    for _ in range(megabytes * 2**20 // len(piece)):
        yield piece

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

assert sum(isinstance(event, MessageRead) for event in TranscriptReader(chunks(1)))
before = peak()
count = sum(isinstance(event, MessageRead) for event in TranscriptReader(chunks({megabytes})))
print(count, peak() - before)
"""


@pytest.mark.parametrize("megabytes", [10, pytest.param(100, marks=pytest.mark.soak)])
def test_a_large_file_reads_in_bounded_memory(megabytes: int) -> None:
    """Reading 100 MB as events takes at most 4 MB more than reading 1 MB, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY.format(megabytes=megabytes)], capture_output=True, text=True, check=True
    )
    count, grown = map(int, done.stdout.split())
    assert count > 1000 * megabytes
    assert grown <= 4


def test_damage_turns_into_an_error_with_the_name_of_its_file() -> None:
    """What repair lists can be shown the way strict reading would have."""
    error = Damage(3, 7, "bad").error("chat.txt")
    assert str(error) == "chat.txt:3:7: bad"
