"""Chat templates: what they render, in which form they accept a conversation, and how answers go on."""

from collections.abc import Sequence
from pathlib import Path

import jinja2
import pytest

from chatcli.chat.message import Message, Role, assistant, system, user
from chatcli.engine.llama.template import ChatTemplate
from chatcli.errors import TemplateError
from tests.engine import templates, vocabularies

DIALOGUE = [
    system("Answer in the style of a lighthouse keeper."),
    user("What is <b>Q</b>-learning & why?"),
    assistant("It learns the value of actions.\n\n- one\n- two"),
    user("Grüße, 你好! And then?"),
]
REAL = vocabularies.real_templates()


def _as_dicts(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": str(m.role), "content": m.content} for m in messages]


def _sources() -> list[tuple[str, str]]:
    real = [(path.stem, path.read_text(encoding="utf-8")) for path in REAL]
    return [*templates.OWN.items(), *real]


@pytest.mark.parametrize(("name", "source"), _sources(), ids=[name for name, _ in _sources()])
@pytest.mark.parametrize("with_system", [True, False])
def test_renders_as_transformers(name: str, source: str, with_system: bool) -> None:
    """A dialogue that plain Jinja can render comes out the same; every other one still comes out whole."""
    messages = DIALOGUE if with_system else DIALOGUE[1:]
    try:
        expected = templates.plain_render(
            source, _as_dicts(messages), bos_token="<s>", eos_token="</s>", add_generation_prompt=True
        )
    except (jinja2.exceptions.TemplateError, TypeError):
        expected = ""
    text = ChatTemplate(source, "<s>", "</s>").render(messages)
    if expected and all(m.content in expected for m in messages):
        assert text == expected
    positions = [text.find(m.content) for m in messages]
    assert min(positions) >= 0
    turns = positions[1:] if with_system else positions
    assert turns == sorted(turns)


@pytest.mark.parametrize(("name", "source"), _sources(), ids=[name for name, _ in _sources()])
def test_partial_answer_is_where_the_prompt_ends(name: str, source: str) -> None:
    """An unfinished answer, its last spaces included, is the end of the prompt; nothing closes its turn."""
    template = ChatTemplate(source, "<s>", "</s>")
    text = template.render([*DIALOGUE, assistant("It began, and then  ")])
    assert text.endswith("It began, and then  ")
    assert DIALOGUE[0].content in text
    assert DIALOGUE[-1].content in text


@pytest.mark.parametrize(("name", "source"), _sources(), ids=[name for name, _ in _sources()])
def test_interrupted_reasoning_is_where_the_prompt_ends(name: str, source: str) -> None:
    """An answer stopped while the model was thinking goes on thinking, where the model has a way to think."""
    template = ChatTemplate(source, "<s>", "</s>")
    text = template.render([*DIALOGUE, Message(Role.ASSISTANT, "", "Let me see, first")])
    if "think" in source or "analysis" in source:
        assert text.endswith("Let me see, first") or not template.knows_thinking
    assert DIALOGUE[-1].content in text


@pytest.mark.parametrize("source", [templates.NO_SYSTEM, templates.FORGETFUL], ids=["refused", "ignored"])
@pytest.mark.parametrize("prompt", ["Be brief.", "S", "A longer prompt that cannot be there by chance."])
def test_system_prompt_is_never_lost(source: str, prompt: str) -> None:
    """Where a template has no place for a system prompt, the first user message begins with it."""
    text = ChatTemplate(source, "<s>", "</s>").render([system(prompt), user("Hello?")])
    assert f"{prompt}\n\nHello?" in text


def test_alternation() -> None:
    """Neighbours of one role are merged, and an answer nobody asked for gets an empty question."""
    template = ChatTemplate(templates.INSTRUCT, "<s>", "</s>")
    assert template.render([user("One."), user("Two.")]) == "<s>[INST] One.\n\nTwo. [/INST]"
    text = template.render([assistant("Welcome."), user("Hi")])
    assert text == "<s>[INST]  [/INST] Welcome.</s>[INST] Hi [/INST]"


def test_later_system_messages() -> None:
    """A system message in the middle reaches a template that takes only a first one."""
    template = ChatTemplate(templates.INSTRUCT, "<s>", "</s>")
    text = template.render([system("First."), user("a"), assistant("b"), system("Second."), user("c")])
    assert text == "<s>[INST] First.\n\na [/INST] b</s>[INST] Second.\n\nc [/INST]"


def test_thinking_is_asked_for_only_when_wanted() -> None:
    """``enable_thinking`` stays undefined unless the caller decides."""
    template = ChatTemplate(templates.THINKING)
    assert template.knows_thinking
    assert template.render([user("x")]).endswith("<think>\n")
    assert template.render([user("x")], thinking=True).endswith("<think>\n")
    assert template.render([user("x")], thinking=False).endswith("</think>\n\n")
    assert not ChatTemplate(templates.CHATML).knows_thinking


def test_reasoning_goes_to_templates_that_read_it() -> None:
    """The reasoning of an answer is given under the name the template reads, and nowhere else."""
    answer = assistant("Yes.", "Hm.")
    assert "<think>\nHm.\n</think>\n\nYes" in ChatTemplate(templates.REASONING).render([user("?"), answer])
    assert "Hm." not in ChatTemplate(templates.CHATML).render([user("?"), answer, user("!")])


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("a\n{% if x %}\n{% for %}", "line 3"),
        ("{{ messages | nonsense }}", "No filter named 'nonsense'"),
        ("{{ '" + "(" * 3 + "' + }}", "line 1"),
        ("{{ " + "(" * 4000 + ")" * 4000 + " }}", "does not compile"),
        ("x" * 2_000_000, "too long"),
    ],
)
def test_broken_templates_name_line_and_reason(source: str, says: str) -> None:
    """A template that does not compile is one clear error when the model is opened."""
    with pytest.raises(TemplateError, match="template") as caught:
        ChatTemplate(source)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ missing.x.y }}",
        "{{ 1 / 0 }}",
        "{% include 'file' %}",
        "{{ raise_exception('never') }}",
        "{{ [][0]() }}",
    ],
)
def test_failing_templates(source: str) -> None:
    """Whatever goes wrong while rendering is a ``TemplateError`` in one line."""
    with pytest.raises(TemplateError) as caught:
        ChatTemplate(source).render([user("x")])
    assert "\n" not in str(caught.value)


def test_conversation_without_end() -> None:
    """A conversation of 2,000 messages with 1 MB in one of them renders within the bounds."""
    long = [user("word " * 200_000), *[m for n in range(1000) for m in (assistant(f"a{n}"), user(f"u{n}"))]]
    for source in (templates.CHATML, templates.INSTRUCT, templates.THINKING):
        assert ChatTemplate(source).render(long).count("u999") == 1


def test_real_templates_are_all_found() -> None:
    """Where the source tree is named, its templates are really there."""
    root = vocabularies.source()
    assert bool(REAL) == (root is not None)
    assert root is None or Path(root, "models/templates").is_dir()
