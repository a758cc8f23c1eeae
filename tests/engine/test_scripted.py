from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.chat.message import FinishReason, Message, assistant, system, user
from chatcli.engine.base import (
    Cancellation,
    Engine,
    Event,
    Finished,
    LeftOut,
    PromptProgress,
    ReasoningDelta,
    TextDelta,
)
from chatcli.engine.scripted.engine import ScriptedEngine
from chatcli.errors import ContextOverflow, ModelNotFound, TranscriptError, UsageError
from chatcli.sampling import SamplingParams
from tests.pictures import picture

_PARAMS = SamplingParams(seed=3)


def _answer(
    engine: Engine, messages: list[Message], params: SamplingParams = _PARAMS
) -> tuple[str, Finished]:
    events = list(engine.generate(messages, params))
    finished = events[-1]
    assert isinstance(finished, Finished)
    return "".join(e.text for e in events if isinstance(e, TextDelta)), finished


def test_without_a_script_it_repeats_in_words_that_depend_on_the_seed() -> None:
    """Same seed, same answer; another seed, other words, so that answers can be compared."""
    engine = ScriptedEngine()
    texts = [_answer(engine, [user("Hi there!")], SamplingParams(seed=s))[0] for s in (3, 3, 4, 5)]
    assert texts == [
        "You said: Hi there!",
        "You said: Hi there!",
        "I heard: Hi there!",
        "Your words were: Hi there!",
    ]


def test_seeds_that_nobody_chose_follow_each_other() -> None:
    """The engine is deterministic; the seed it used is recorded."""
    engine = ScriptedEngine()
    seeds = [_answer(engine, [user("Hi")], SamplingParams())[1].generation.parameters.seed for _ in range(3)]
    assert seeds == [1, 2, 3]


def test_a_script_answers_with_its_transcript(tmp_path: Path) -> None:
    """The words of the user choose; of several answers to the same words the seed chooses."""
    script = tmp_path / "answers.txt"
    script.write_text(
        "<user>Hello?</user>\n<lkjsxclm>Hi!</lkjsxclm>\n<user>And?</user>\n<lkjsxclm>Nothing.</lkjsxclm>\n"
        "<user>Hello?</user>\n<lkjsxclm>You again.</lkjsxclm>\n"
    )
    engine = ScriptedEngine.open(f"scripted:{script}")
    said = [_answer(engine, [user("Hello?")], SamplingParams(seed=s))[0] for s in (0, 1, 2)]
    assert said == ["Hi!", "You again.", "Hi!"]
    assert _answer(engine, [user("And?")])[0] == "Nothing."
    assert _answer(engine, [user("else")])[0] == "You said: else"
    assert engine.model.name == "scripted:answers.txt"


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("scripted:missing.txt", ModelNotFound),
        ("scripted:delay=fast", UsageError),
        ("scripted:delay=-1", UsageError),
        ("scripted:delay=nan", UsageError),
        ("scripted:context=1", UsageError),
    ],
)
def test_a_wrong_specification_is_refused(spec: str, error: type[Exception]) -> None:
    """A typing mistake in the model's name is one clear line."""
    with pytest.raises(error):
        ScriptedEngine.open(spec)


def test_a_damaged_script_is_refused(tmp_path: Path) -> None:
    """A file that is no transcript is reported with its place."""
    script = tmp_path / "answers.txt"
    script.write_text("not a transcript")
    with pytest.raises(TranscriptError):
        ScriptedEngine.open(f"scripted:{script}")


def test_usage_counts_what_a_prefix_cache_would_save() -> None:
    """Prompt and answer of turn one are reused on turn two; the same prompt again costs one token."""
    engine = ScriptedEngine()
    _, first = _answer(engine, [user("one two")])
    usage = first.generation.usage  # <user>one two</user><assistant> -> You said : one two</assistant>
    assert (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens) == (5, 0, 6)
    chat = [user("one two"), assistant("You said: one two"), user("three")]
    usage = _answer(engine, chat)[1].generation.usage
    assert (usage.prompt_tokens, usage.cached_tokens, usage.decoded_tokens) == (15, 11, 4)
    usage = _answer(engine, chat)[1].generation.usage
    assert (usage.prompt_tokens, usage.cached_tokens, usage.decoded_tokens) == (15, 14, 1)


@given(st.text(), st.text())
def test_the_prompt_holds_the_words_exactly(question: str, instruction: str) -> None:
    """Tokens lose nothing of any text, and only tags are special tokens."""
    prompt = ScriptedEngine(context_size=10_000).prompt([system(instruction), user(question)], _PARAMS)
    assert prompt.text == f"<system>{instruction}</system><user>{question}</user><assistant>"
    assert "".join(token.text for token in prompt.tokens) == prompt.text
    assert [t.text for t in prompt.tokens if t.special] == [
        "<system>",
        "</system>",
        "<user>",
        "</user>",
        "<assistant>",
    ]


def test_max_tokens_and_stop_strings_end_the_answer() -> None:
    """The finish reason says which it was; a stop string is not shown."""
    engine = ScriptedEngine()
    text, finished = _answer(engine, [user("count to 9")], SamplingParams(max_tokens=4, seed=1))
    assert (text, finished.generation.finish_reason) == ("1 2 3 4", FinishReason.LENGTH)
    text, finished = _answer(engine, [user("count to 9")], SamplingParams(stop=("3 4",), seed=1))
    assert (text, finished.generation.finish_reason) == ("1 2 ", FinishReason.STOP)


def test_a_full_context_ends_the_answer() -> None:
    """Prompt and answer never take more than the context."""
    text, finished = _answer(ScriptedEngine(context_size=20), [user("count to 99")])
    usage = finished.generation.usage
    assert finished.generation.finish_reason is FinishReason.LENGTH
    assert usage.prompt_tokens + usage.completion_tokens == 20
    assert text == "1 2 3 4 5 6 7 8 9 10 11 12 13 14"


def test_old_exchanges_leave_and_are_reported() -> None:
    """The event comes first and names the messages; the prompt agrees."""
    engine = ScriptedEngine(context_size=24)
    chat = [system("s"), *[m for i in range(9) for m in (user(f"u {i}"), assistant(f"a {i}"))], user("last")]
    events = list(engine.generate(chat, _PARAMS))
    assert isinstance(events[0], LeftOut)
    assert events[0].indices == tuple(range(1, len(events[0].indices) + 1))
    assert engine.prompt(chat, _PARAMS).left_out == events[0].indices


def test_a_message_that_cannot_fit_is_refused_with_both_numbers() -> None:
    """What it needs includes room for an answer; nothing was changed."""
    with pytest.raises(ContextOverflow) as caught:
        list(ScriptedEngine(context_size=40).generate([user("word " * 50)], _PARAMS))
    assert (caught.value.needed, caught.value.available) == (50 + 4 + 10, 40)


def test_cancelling_keeps_the_part_that_came_and_continuing_ends_it() -> None:
    """An interrupted answer is a prefix; as the last message it is continued to the same whole."""
    engine, cancel = ScriptedEngine(), Cancellation()
    events: list[Event] = []
    for event in engine.generate([user("count to 9")], _PARAMS, cancel=cancel):
        events.append(event)
        if isinstance(event, TextDelta) and "5" in event.text:
            cancel.set()
    part = "".join(e.text for e in events if isinstance(e, TextDelta))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert (part, finished.generation.finish_reason) == ("1 2 3 4 5", FinishReason.INTERRUPTED)
    rest, _ = _answer(engine, [user("count to 9"), assistant(part)])
    assert part + rest == "1 2 3 4 5 6 7 8 9"


def test_reasoning_comes_apart_from_the_answer_and_can_be_switched_off() -> None:
    """The thinking is no part of the answer; the record says what was asked."""
    engine = ScriptedEngine()
    events = list(engine.generate([user("think about cats")], _PARAMS))
    assert "".join(e.text for e in events if isinstance(e, ReasoningDelta)).startswith("The subject is cats")
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "I have thought about cats"
    off = list(engine.generate([user("think about cats")], _PARAMS, thinking=False))
    assert not any(isinstance(e, ReasoningDelta) for e in off)
    assert [e[-1].generation.thinking for e in (events, off) if isinstance(e[-1], Finished)] == [None, False]


def test_no_message_is_a_usage_error() -> None:
    """There must be something to answer."""
    with pytest.raises(UsageError):
        list(ScriptedEngine().generate([], _PARAMS))


def test_it_sees_pictures() -> None:
    """They are a part of its prompt, and it says how large they are; a prefix with them is reused."""
    engine = ScriptedEngine()
    messages = [user("look", picture(), picture("dog.png", "blue"))]
    prompt = engine.prompt(messages, SamplingParams())
    parts = [token for token in prompt.tokens if token.id < 0]
    assert [token.text for token in parts if token.text] == ["cat.png", "dog.png"]
    assert len({token.id for token in parts}) == 2
    assert all(token.special for token in parts)
    assert "[picture: cat.png][picture: dog.png]look" in prompt.text
    events = list(engine.generate(messages, SamplingParams()))
    words = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert words.startswith("I see cat.png, 30 x 20 pixels. I see dog.png, 30 x 20 pixels. ")
    state = engine.save_state()
    assert state is not None
    other = ScriptedEngine()
    assert other.load_state(state)
    (progress,) = (e for e in other.generate(messages, SamplingParams()) if isinstance(e, PromptProgress))
    assert progress.cached == len(prompt.tokens) - 1
