"""Reasoning and answer told apart, for every family's delimiters and however the text is cut."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.chat.message import assistant, user
from chatcli.engine.base import ReasoningDelta, TextDelta
from chatcli.engine.llama.template import ChatTemplate
from chatcli.engine.reasoning import ReasoningSplitter, detect, splitter_for
from tests.engine import templates, vocabularies

HARMONY = "{{ '<|channel|>analysis<|message|>' }}"
KIMI = "{{ open_tag('think') }}"
# A sign of the template, what the model writes behind the prompt's end, its reasoning, its answer.
CASES = [
    ("<think>", "", "<think>\nHm, 1 < 2.\n</think>\n\nYes <b>.", "Hm, 1 < 2.", "Yes <b>."),
    ("<think>", "<think>\n", "Hm.\n</think>\n\nYes.", "Hm.", "Yes."),
    ("<think>", "<think>\n\n</think>\n\n", "Write <think> and </think>.", "", "Write <think> and </think>."),
    ("<think>", "", "Write <think> and </think>.", "", "Write <think> and </think>."),
    ("<think>", "", "\n\n<think>a</think>b", "a", "b"),
    ("<think>", "", "</think>\n\nStraight on.", "", "Straight on."),
    ("[THINK]", "", "[THINK]a[/THINK]b", "a", "b"),
    ("<seed:think>", "", "<seed:think>a</seed:think>b", "a", "b"),
    ("<mm:think>", "", "</mm:think>b", "", "b"),
    ("'<think{}>'", "<think:opensource>", "a</think:opensource>b", "a", "b"),
    ("<|inner_prefix|>", "", "<|inner_prefix|>a<|inner_suffix|>b", "a", "b"),
    ("[BEGIN FINAL RESPONSE]", "Here are my reasoning steps:\n", "a\n[BEGIN FINAL RESPONSE]\nb", "a", "b"),
    ("<response></response>", "", "<think>a</think>\n<response>b</response>", "a", "b"),
    ("<|channel>thought", "", "<|channel>thought\na\n<channel|>b", "a", "b"),
    ("<|channel>thought", "<|channel>thought\n<channel|>", "b", "", "b"),
    ("<|START_THINKING|>", "<|START_THINKING|>", "a<|END_THINKING|><|START_TEXT|>b<|END_TEXT|>", "a", "b"),
    ("<|START_THINKING|>", "", "<|START_RESPONSE|>b<|END_RESPONSE|>", "", "b"),
    (
        *(HARMONY, "<|start|>assistant"),
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b",
        *("a", "b"),
    ),
    (
        *(KIMI, "<|open|>think<|sep|>"),
        "a<|close|>think<|sep|><|open|>response<|sep|>b<|close|>response<|sep|>",
        *("a", "b"),
    ),
    (
        *("<|begin|>assistant<|think|>", "<|begin|>assistant"),
        "<|think|>a<|end|><|begin|>assistant<|content|>b<|end|>",
        *("a", "b"),
    ),
    (
        *("to=self<|message|>", "<|start|>assistant"),
        " to=self<|message|>a<|eom|><|start|>assistant to=user<|message|>b",
        *("a", "b"),
    ),
]


def _split(splitter: ReasoningSplitter, pieces: list[str]) -> tuple[str, str]:
    events = [event for piece in pieces for event in splitter.feed(piece)]
    events += splitter.finish()
    reasoning = "".join(e.text for e in events if isinstance(e, ReasoningDelta))
    assert all(e.text for e in events if isinstance(e, ReasoningDelta | TextDelta))
    return reasoning, "".join(e.text for e in events if isinstance(e, TextDelta))


@pytest.mark.parametrize(("sign", "prompt", "written", "reasoning", "answer"), CASES)
def test_forms(sign: str, prompt: str, written: str, reasoning: str, answer: str) -> None:
    """Every family's reasoning comes out without delimiters, whole and letter by letter."""
    form = detect(sign)
    assert form is not None
    for pieces in ([written], list(written)):
        assert _split(splitter_for(form, "x" + prompt, [user("?")]), pieces) == (reasoning, answer)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CASES), st.data())
def test_pieces_do_not_matter(case: tuple[str, str, str, str, str], data: st.DataObject) -> None:
    """However the text is cut, the same comes out; nothing of a delimiter is ever shown."""
    sign, prompt, written, reasoning, answer = case
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=8)))
    pieces = [written[a:b] for a, b in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    assert _split(splitter_for(detect(sign), prompt, [user("?")]), pieces) == (reasoning, answer)


def test_unfinished_reasoning() -> None:
    """An answer that is cut off while thinking has reasoning and no text; a torn delimiter is text."""
    splitter = splitter_for(detect("<think>"), "<think>\n", [])
    assert _split(splitter, ["a\n</thi"]) == ("a\n</thi", "")


def test_resumed() -> None:
    """What goes on is not trimmed: neither an answer under way nor reasoning that was interrupted."""
    form = detect("<think>")
    answer = splitter_for(form, "...", [user("?"), assistant("Tags are")])
    assert _split(answer, ["\n<think> and </think>"]) == ("", "\n<think> and </think>")
    thinking = splitter_for(form, "...", [user("?"), assistant("", "Hm")])
    assert _split(thinking, ["\nyes.</think>\nNo."]) == ("\nyes.", "No.")


def test_models_that_do_not_reason() -> None:
    """Without a sign everything is the answer, at once."""
    assert detect(templates.CHATML) is None
    splitter = ReasoningSplitter(None)
    assert splitter.feed("<think>") == [TextDelta("<think>")]
    assert detect(templates.CHATML, {b"<think>"}) is detect("<think>")


@pytest.mark.parametrize("path", vocabularies.real_templates() or [None], ids=str)
def test_real_templates(path: Path | None) -> None:
    """A real template that mentions thinking has a form, and what its prompt opens is noticed."""
    source = templates.THINKING if path is None else path.read_text(encoding="utf-8")
    form = detect(source)
    if "think>" in source.lower() or "analysis" in source:
        assert form is not None
        prompt = ChatTemplate(source).render([user("?")])
        if prompt.rstrip().lower().endswith(("<think>", "start_thinking|>")):
            assert form.opened_by(prompt)
