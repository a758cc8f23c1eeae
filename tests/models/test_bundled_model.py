"""The bundled model itself: what the file says, and that it answers through the program's engine."""

from collections import Counter
from collections.abc import Iterator, Sequence

import gguf
import jinja2
import pytest

from chatcli.chat.message import Message, assistant, system, user
from chatcli.chat.transcript.writer import render_bare
from chatcli.engine.llama.engine import LlamaEngine
from chatcli.library.catalog import bundled_model
from models.lkjsxclm import corpus, evaluate

CONTROL = ["<|endoftext|>", "<user>", "</user>", "<system>", "</system>", "<lkjsxclm>", "</lkjsxclm>"]
CHAT = [system("Be brief."), user("  Hello? \n"), assistant("Hi!"), user("</b> {{ 1 }}")]


@pytest.fixture(scope="module")
def header() -> gguf.GGUFReader:
    return gguf.GGUFReader(bundled_model())


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaEngine]:
    with evaluate.open_model(bundled_model()) as opened:
        yield opened


def field(header: gguf.GGUFReader, key: str) -> object:
    return header.get_field(key).contents()


def test_it_is_a_small_llama(header: gguf.GGUFReader) -> None:
    """5 to 12 million parameters, llama architecture, Q8_0, at most 16 MB, room for 2,048 tokens."""
    assert field(header, "general.architecture") == "llama"
    assert 5_000_000 <= sum(int(tensor.n_elements) for tensor in header.tensors) <= 12_000_000
    assert bundled_model().stat().st_size <= 16_000_000
    matrices = [tensor for tensor in header.tensors if len(tensor.shape) == 2]
    assert {tensor.tensor_type for tensor in matrices} == {gguf.GGMLQuantizationType.Q8_0}
    assert int(str(field(header, "llama.context_length"))) >= 2048


def test_it_says_whose_it_is(header: gguf.GGUFReader) -> None:
    """Name, author, licence and description are in the header."""
    assert field(header, "general.name") == "lkjsxclm"
    assert field(header, "general.license") == "MIT"
    assert field(header, "general.author")
    assert "demonstration" in str(field(header, "general.description"))


def test_role_tags_are_control_tokens(header: gguf.GGUFReader) -> None:
    """The tags of the transcript format are control tokens; the assistant's closing one ends an answer."""
    pieces = field(header, "tokenizer.ggml.tokens")
    types = field(header, "tokenizer.ggml.token_type")
    assert isinstance(pieces, list)
    assert isinstance(types, list)
    control = [piece for piece, kind in zip(pieces, types, strict=True) if kind == gguf.TokenType.CONTROL]
    assert control == CONTROL
    assert pieces[int(str(field(header, "tokenizer.ggml.eos_token_id")))] == "</lkjsxclm>"
    assert field(header, "tokenizer.ggml.add_bos_token") is False


def test_its_template_writes_transcripts(header: gguf.GGUFReader) -> None:
    """The chat template renders exactly what the program writes to disk, and does not trim."""
    template = jinja2.Environment().from_string(str(field(header, "tokenizer.chat_template")))
    messages = [{"role": message.role.value, "content": message.content} for message in CHAT]
    whole = "".join(render_bare([*CHAT, assistant("")]))
    opened = whole.removesuffix("</lkjsxclm>\n")
    assert template.render(messages=messages, add_generation_prompt=True) == opened
    assert template.render(messages=messages) == opened.removesuffix("<lkjsxclm>")


def test_it_recommends_its_sampling(engine: LlamaEngine) -> None:
    """So small a model answers best with little chance; the program takes that from the header."""
    assert 0 < engine.recommended.temperature < 0.7


@pytest.mark.parametrize(
    ("question", "like"),
    [
        ("Hello?", "Hello?"),
        ("who are you", "Who are you?"),
        ("What is Q-learning?", "What is Q-learning?"),
        ("whats a reward model", "What is a reward model?"),
        ("What is the capital of France?", "What is the capital of France?"),
    ],
)
def test_it_answers(engine: LlamaEngine, question: str, like: str) -> None:
    """Plain questions get the answer the transcripts give."""
    check(engine, [user(question)], like)


@pytest.mark.parametrize(
    ("before", "question"),
    [("What is a state?", "And what is the action?"), ("What is DPO?", "Can you give an example?")],
)
def test_it_follows_up(engine: LlamaEngine, before: str, question: str) -> None:
    """A question that only makes sense after the turn before is answered in its light."""
    material = corpus.read()
    pairs = [
        pair
        for dialogue in material.dialogues
        for pair in zip(dialogue.exchanges, dialogue.exchanges[1:], strict=False)
    ]
    first, second = next(pair for pair in pairs if (pair[0].question, pair[1].question) == (before, question))
    chat = [user(first.question), assistant(first.answer), user(second.question)]
    assert evaluate.Judge(material).nearest(evaluate.asker(engine)(chat))[0] == second.answer


@pytest.mark.parametrize(
    "request_beyond", ["Who won the football match in Madrid on Sunday?", "What is 48213 times 977?"]
)
def test_it_declines(engine: LlamaEngine, request_beyond: str) -> None:
    """What lies beyond it is declined, naming the command that fetches a real model."""
    answer = evaluate.asker(engine)([user(request_beyond)])
    assert answer.startswith(corpus.DECLINES)
    assert "chatcli pull" in answer


def test_a_system_prompt_does_not_confuse_it(engine: LlamaEngine) -> None:
    """It cannot obey a system prompt, but still answers under one."""
    chat = [system("You are a helpful assistant for a small bakery."), user("What is a token?")]
    check(engine, chat, "What is a token?")


def test_a_long_chat_still_makes_sense(engine: LlamaEngine) -> None:
    """After ten exchanges and some 1,500 tokens it answers as at the beginning."""
    material = corpus.read()
    exchanges = [exchange for _, exchange in material.exchanges() if len(exchange.answer) > 90]
    chat: list[Message] = []
    for exchange in exchanges[::30]:
        chat += [user(exchange.question), assistant(exchange.answer)]
        if len(engine.prompt([*chat, user("?")], evaluate.GREEDY).tokens) > 1500:
            break
    assert len(chat) >= 20
    check(engine, [*chat, user("What is reinforcement learning?")], "What is reinforcement learning?")


@pytest.mark.soak
@pytest.mark.parametrize("greedy", [True, False], ids=["greedy", "as shipped"])
def test_it_generalises(engine: LlamaEngine, greedy: bool) -> None:
    """At least 80% of held-out questions are answered on topic, and 80% of requests beyond it declined."""
    params = evaluate.GREEDY if greedy else evaluate.sampling(engine.recommended.temperature)
    asked: Counter[bool] = Counter()
    right: Counter[bool] = Counter()
    for outcome in evaluate.held_out(corpus.read(), evaluate.asker(engine, params)):
        asked[outcome.kind == "beyond"] += 1
        right[outcome.kind == "beyond"] += outcome.right
    assert right[False] >= 0.8 * asked[False]
    assert right[True] >= 0.8 * asked[True]


def check(engine: LlamaEngine, chat: Sequence[Message], like: str) -> None:
    answer = evaluate.asker(engine)(chat)
    outcome = evaluate.Judge(corpus.read()).outcome("test", chat[-1].content, like, answer)
    assert outcome.right, outcome
