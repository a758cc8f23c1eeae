"""How a transcript looks, element by element, and what a base model is given."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.message import (
    FinishReason,
    Generation,
    Message,
    ModelRef,
    Role,
    Timings,
    Usage,
    assistant,
    system,
    user,
)
from chatcli.chat.transcript.reader import load
from chatcli.chat.transcript.writer import (
    Position,
    mend,
    render,
    render_bare,
    render_message,
    render_prompt,
    stop_string,
)
from chatcli.errors import UsageError
from chatcli.sampling import SamplingParams

GENERATION = Generation(
    ModelRef("m", "m.gguf"),
    FinishReason.END,
    SamplingParams(temperature=0.1, seed=7, stop=('"', "\n")),
    Usage(10, 4, 6, 3),
    Timings(0.1, 0.2, 1 / 3),
    {"chatcli": "0.1.0"},
)


def answer(text: str, generation: Generation = GENERATION) -> Message:
    return Message(Role.ASSISTANT, text, generation=generation)


def test_a_chat_reads_like_a_chat() -> None:
    """The file of an ordinary chat, as a person sees it."""
    conversation = Conversation("c", datetime(2026, 11, 20, 17, tzinfo=UTC), "Greeting")
    conversation.append(user("Hello?"))
    conversation.append(assistant("Hi there!", "Be\nbrief."))
    conversation.append(assistant("Hello!"), parent=1)
    conversation.move_head(2)
    assert "".join(render(conversation)) == (
        '<session id="c" started="2026-11-20T17:00:00Z" title="Greeting" assistant="lkjsxclm"/>\n'
        '<user id="1">Hello?</user>\n'
        '<lkjsxclm id="2" reasoning="Be\nbrief.">Hi there!</lkjsxclm>\n'
        '<lkjsxclm id="3" parent="1">Hello!</lkjsxclm>\n'
        '<head id="2"/>\n'
    )


def test_the_model_is_named_before_its_first_answer_and_when_it_changes() -> None:
    """What does not change is not repeated; seed, end, counts and times stand on the answer."""
    conversation = Conversation()
    hotter = replace(GENERATION.parameters, temperature=1.5)
    for message in (
        user("a"),
        answer("b"),
        answer("c", replace(GENERATION, parameters=GENERATION.parameters.with_seed(8))),
        answer("d", replace(GENERATION, parameters=hotter)),
    ):
        conversation.append(message)
    lines = "".join(render(conversation)).splitlines()
    assert [line.split()[0] for line in lines] == [
        "<session", "<user", "<model", "<lkjsxclm", "<lkjsxclm", "<model", "<lkjsxclm",
    ]  # fmt: skip
    assert lines[2].startswith('<model name="m" file="m.gguf" temperature="0.1" top_k="40"')
    assert lines[2].endswith('stop="[&quot;\\&quot;&quot;, &quot;\\n&quot;]" version.chatcli="0.1.0"/>')
    assert lines[3] == (
        '<lkjsxclm id="2" seed="7" stop="end" prompt_tokens="10" cached_tokens="4" decoded_tokens="6" '
        'completion_tokens="3" prompt_seconds="0.1" first_token_seconds="0.2" '
        'seconds="0.3333333333333333">b</lkjsxclm>'
    )


def test_provenance_comes_back_to_the_last_bit() -> None:
    """Floats, two lone surrogates that are no pair, and version names of any kind are exact."""
    generation = Generation(
        ModelRef("m", adapter="ab", adapter_scale=0.1 + 0.2, context_size=4096),
        FinishReason.LENGTH,
        SamplingParams(temperature=1e-300, top_p=0.1 + 0.7, seed=0, stop=("\ud83d\ude00", "\U0001f600")),
        Usage(completion_tokens=2**40),
        Timings(5e-324, float("inf"), 1e16),
        {"a b=\ud800": "1", "": "2", "%20": "3", "é": "\n"},
    )
    conversation = Conversation()
    conversation.append(answer("b", generation))
    assert load(render(conversation)).conversation.messages()[0].generation == generation


def test_a_file_says_whether_the_model_was_asked_to_reason() -> None:
    """Beside the parameters, where somebody said so; another wish is another <model/> element."""
    conversation = Conversation()
    for thinking in (None, True, True, False):
        conversation.append(answer("b", replace(GENERATION, thinking=thinking)))
    models = [line for element in render(conversation) for line in element.split("\n") if "<model" in line]
    assert [re.findall(' thinking="(.*?)"', line) for line in models] == [[], ["true"], ["false"]]
    read = load(render(conversation)).conversation
    assert [m.generation.thinking for m in read.messages() if m.generation] == [None, True, True, False]


def test_a_resumed_file_goes_on_where_it_was() -> None:
    """The position that reading gives writes the same bytes as the one that writing gave."""
    conversation, position = Conversation(), Position()
    text = ""
    for message in (user("a"), answer("b"), user("c"), answer("d")):
        written, position = render_message(conversation.append(message), position)
        text += written
        assert load([text], assistant="lkjsxclm").position == position


def test_writing_leaves_the_position_for_the_caller_to_commit() -> None:
    """A write that failed can be written again against the old position."""
    node = Conversation().append(answer("b"))
    assert render_message(node, Position()) == render_message(node, Position())


def test_a_wrong_provenance_is_kept_as_it_stands() -> None:
    """Values that make no sense lose nothing: the message reads, its attributes come back."""
    for model, on_answer in (
        ('name="m" temperature="-1"', 'seed="1" stop="end"'),
        ('name="m" top_k="x"', 'stop="end"'),
        ('name="m" stop="[1]"', 'stop="end"'),
        ('name="m" thinking="True"', 'stop="end"'),
        ('file="f"', 'stop="end"'),
        ('name="m"', 'stop="of a kind yet to come"'),
        ('name="m"', 'stop="end" seed="-4"'),
    ):
        text = f'<model {model}/>\n<bot id="1" {on_answer}>b</bot>\n'
        [node] = load([text]).conversation.nodes
        assert node.message == assistant("b")
        assert " ".join(f'{k}="{v}"' for k, v in sorted(node.extra.items())) == " ".join(
            sorted(on_answer.split(" ", on_answer.count("=") - 1))
        )


def test_attributes_that_were_not_understood_are_not_given_to_another_model() -> None:
    """Written anew, an answer of a damaged <model/> is not an answer of the one before."""
    text = (
        '<model name="m"/>\n<bot id="1" stop="end">a</bot>\n'
        '<model name="n" top_k="x"/>\n<bot id="2" stop="end">b</bot>\n<bot id="3" stop="end">c</bot>\n'
    )
    conversation = load([text]).conversation
    again = load(render(conversation)).conversation
    assert [m.generation is None for m in again.messages()] == [False, True, True]
    assert list(again.nodes) == list(conversation.nodes)


def test_a_base_model_is_given_a_transcript_that_breaks_off() -> None:
    """The bare form, then the open tag; an answer to be continued is left open; reasoning is not sent."""
    messages = [system("Be kind."), user("a</user>"), assistant("b", "hm"), user("c")]
    told = "<system>Be kind.</system>\n<user>a&lt;/user></user>\n<bot>b</bot>\n<user>c</user>\n<bot>"
    assert render_prompt(messages, "bot") == told
    assert render_prompt([*messages, assistant("so </bot>")], "bot") == told + "so &lt;/bot>"
    assert stop_string("bot") == "</bot>"
    answered = load([render_prompt(messages, "bot") + "An answer" + stop_string("bot")])
    assert [m.content for m in answered.conversation.messages()][-1] == "An answer"


@pytest.mark.parametrize(
    "name", ["", "user", "system", "a b", "<b>", 'a"', "!a", "x" * 65, "a\n", "a&b", "\ud800"]
)
def test_a_name_that_cannot_be_a_tag_is_refused(name: str) -> None:
    """Before anything is written."""
    with pytest.raises(UsageError, match="cannot be the assistant's name"):
        list(render_bare([user("a")], name))
    with pytest.raises(UsageError, match="cannot be the assistant's name"):
        list(render(Conversation(assistant=name)))


def test_an_attribute_that_cannot_be_written_is_refused() -> None:
    """A key with a space or a quote would not read back."""
    with pytest.raises(ValueError, match="cannot be the name of an attribute"):
        render_message(Conversation().append(user("a"), extra={"a b": "c"}), Position())


@pytest.mark.parametrize(("end", "expected"), [(b"", b""), (b"\n", b""), (b"</user>", b"\n"), (b"x\n", b"")])
def test_mending_starts_a_line(end: bytes, expected: bytes) -> None:
    """The next element always begins a line."""
    assert mend(end) == expected
