"""The bundled model through the whole engine: what users get who load nothing else."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.chat.message import FinishReason, Message, assistant, user
from chatcli.engine.base import TextDelta
from chatcli.engine.llama.engine import LlamaEngine
from chatcli.engine.llama.grammar import json_schema_to_grammar
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.sampling import SamplingParams
from tests.engine.answers import ask

_MODEL = Path(__file__).parents[2] / "models" / "lkjsxclm-q8_0.gguf"
_OPTIONS = LoadOptions(threads=1, use_extra_bufts=False)  # some CPUs fault on AMX; tests/engine/test_probe.py
_GREEDY = SamplingParams(temperature=0, max_tokens=60)
_GLUE = 2  # the closing tag of an answer and a line break, each one token
_QUESTIONS = (
    "Hello?",
    "What is Q-learning?",
    "And what is the action?",
    "How do I save a chat?",
    "What is a reward model?",
    "Write a couplet.",
    "Tell me a fun fact.",
    "What is the capital of France?",
    "Who are you?",
    "Thank you!",
)


@pytest.fixture
def engine() -> Iterator[LlamaEngine]:
    """The bundled model, having read nothing."""
    with LlamaEngine.open(_MODEL, _OPTIONS) as engine:
        yield engine


def _size(engine: LlamaEngine, question: str) -> int:
    """Tokens of a question in its tags and of the opening of an answer."""
    return len(engine.prompt([user(question)], _GREEDY).tokens)


def test_each_of_ten_turns_decodes_the_new_message_and_the_glue(engine: LlamaEngine) -> None:
    """With sampled words, whose tokens differ from those the tokenizer would make of the text."""
    chat: list[Message] = []
    held = 0
    for turn, question in enumerate(_QUESTIONS):
        chat.append(user(question))
        got = ask(engine, chat, SamplingParams(seed=turn, temperature=1.0, max_tokens=60))
        new = _size(engine, question) + (_GLUE if turn else 0)
        # An answer that max_tokens ended has a last token that was shown and not yet read.
        unread = got.usage.decoded_tokens - new
        assert unread in (0, 1)
        assert got.usage.cached_tokens == held
        assert got.usage.prompt_tokens == held + unread + new
        held = got.usage.prompt_tokens + got.usage.completion_tokens - 1
        chat.append(assistant(got.text))


def test_undo_regenerate_and_continue_decode_next_to_nothing(engine: LlamaEngine) -> None:
    """The same prompt costs one token; after undo only what differs is read."""
    first = [user("What is Q-learning?")]
    answer = ask(engine, first, _GREEDY)
    chat = [*first, assistant(answer.text), user("How do I save a chat?")]
    ask(engine, chat, _GREEDY)
    again = ask(engine, chat, _GREEDY)
    assert again.usage.decoded_tokens == 1
    undone = ask(engine, [*chat[:2], user("Who are you?")], _GREEDY)
    assert (
        undone.usage.cached_tokens == _size(engine, first[0].content) + answer.usage.completion_tokens - 1 + 3
    )
    assert undone.usage.decoded_tokens == _size(engine, "Who are you?") - 1  # its <user> tag was there
    ask(engine, first, _GREEDY)
    begun = "".join([e.text for e in answer.events if isinstance(e, TextDelta)][:8])
    rest = ask(engine, [*first, assistant(begun)], _GREEDY)
    assert begun + rest.text == answer.text
    assert (rest.usage.cached_tokens, rest.usage.decoded_tokens) == (_size(engine, first[0].content) + 7, 1)


def test_an_interrupted_answer_is_reused(engine: LlamaEngine) -> None:
    """The next turn reads the last token that came before Ctrl-C, the glue and the question."""
    first = [user("What is Q-learning?")]
    seen: list[str] = []

    def enough(event: object) -> bool:
        if isinstance(event, TextDelta):
            seen.append(event.text)
        return len(seen) == 5

    got = ask(engine, first, _GREEDY, enough)
    assert (got.finish_reason, got.text) == (FinishReason.INTERRUPTED, "".join(seen))
    following = ask(engine, [*first, assistant(got.text), user("Who are you?")], _GREEDY)
    held = got.usage.prompt_tokens + got.usage.completion_tokens - 1
    assert following.usage.cached_tokens == held
    assert following.usage.decoded_tokens == 1 + _GLUE + _size(engine, "Who are you?")


@pytest.mark.parametrize("seed", range(3))
def test_a_schema_gives_json_of_that_schema(engine: LlamaEngine, seed: int) -> None:
    """Every answer parses and has the shape that was asked for."""
    schema = {
        "type": "object",
        "properties": {
            "method": {"type": "string", "maxLength": 20},
            "steps": {"type": "array", "items": {"type": "string", "maxLength": 12}, "maxItems": 3},
            "hard": {"type": "boolean"},
        },
        "required": ["method", "steps", "hard"],
        "additionalProperties": False,
    }
    grammar = json_schema_to_grammar(json.dumps(schema))
    params = SamplingParams(seed=seed, temperature=1.0, grammar=grammar)
    got = ask(engine, [user("What is Q-learning?")], params)
    value = json.loads(got.text)
    assert got.finish_reason is FinishReason.END
    assert set(value) == {"method", "steps", "hard"}
    assert isinstance(value["hard"], bool)


def test_the_same_seed_gives_the_same_answer(engine: LlamaEngine) -> None:
    """Also when the prompt was already read."""
    params = SamplingParams(seed=5, temperature=4, top_k=0, top_p=1, min_p=0, max_tokens=30)
    cold = ask(engine, [user("Tell me a fun fact.")], params)
    warm = ask(engine, [user("Tell me a fun fact.")], params)
    assert cold.text == warm.text
    assert (cold.usage.cached_tokens, warm.usage.decoded_tokens) == (0, 1)
    assert ask(engine, [user("Tell me a fun fact.")], replace(params, seed=6)).text != cold.text
