"""The recipe end to end, in miniature; needs the train extra."""

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from chatcli.chat.message import assistant, system, user
from models.lkjsxclm import corpus, evaluate
from models.lkjsxclm.corpus import Corpus, normalise

if TYPE_CHECKING:
    from models.lkjsxclm.train import Recipe

pytestmark = pytest.mark.train

ODD = [
    "", " ", "\n", "\r\n\t", "  two  spaces  ", "naïve café", "日本語 テスト", "🙂👩‍👩‍👧 !",
    "a\u0301 combining",
    "I'll they've IT'S", "٣٤٥ ½ ² Ⅷ 12345", "x\u00a0y\u2003z", "tabs\t\tand\n\n\nlines", "<user>hi</user>",
    "</lkjsxclm>", "<|endoftext|>", "\u2028\u0085", "snake_case __init__", "ß ﬀ ǅ", "עברית العربية हिन्दी",
    "\U0001f1e9\U0001f1ea", "\x00\x01\x7f", "\ufeffbom", "a" * 300, "=" * 80,
]  # fmt: skip


@pytest.fixture(scope="module")
def material() -> Corpus:
    return corpus.read()


@pytest.fixture(scope="module")
def recipe() -> "Recipe":
    from models.lkjsxclm.network import Shape
    from models.lkjsxclm.sampler import Mixture
    from models.lkjsxclm.train import Phase, Recipe

    shape = Shape(vocabulary=1024, width=64, layers=2, heads=2, kv_heads=1, hidden=96)
    phases = (Phase(3, ((64, 1.0),), Mixture(cut=1.0)), Phase(3, ((128, 0.8), (512, 0.2)), Mixture()))
    return Recipe(shape=shape, warm_examples=512, phases=phases, batch_tokens=512)


def test_no_held_out_question_is_drawn(material: Corpus, recipe: "Recipe") -> None:
    """Whatever the rules make of a question, training never shows a held-out one."""
    from models.lkjsxclm.sampler import Sampler
    from models.lkjsxclm.tokenizer import END_USER, USER, Encoder
    from models.lkjsxclm.train import tokenizer_for

    tokenizer = tokenizer_for(material, recipe)
    sampler = Sampler(material, Encoder(tokenizer), Random(1))
    unseen = {normalise(item.ask) for item in material.held_out}
    questions = []
    for _ in range(300):
        ids = sampler.sequence(512).ids
        assert len(ids) <= 512
        starts = [place for place, token in enumerate(ids) if token == USER]
        questions += [tokenizer.decode(ids[place + 1 : ids.index(END_USER, place)]) for place in starts]
    questions += [tokenizer.decode(sampler.question()[0]) for _ in range(5000)]
    assert len(questions) > 7000
    assert not unseen & set(map(normalise, questions))


def test_only_answers_carry_loss(material: Corpus, recipe: "Recipe") -> None:
    """The answer and its closing tag are learnt; of a cut answer its beginning, and not that it ends."""
    from models.lkjsxclm.tokenizer import ASSISTANT, END_ASSISTANT, NO_INTENT, Encoder, Turn
    from models.lkjsxclm.train import tokenizer_for

    encoder = Encoder(tokenizer_for(material, recipe))
    turns = [Turn("Hello?", "Hi!", intent=3), Turn("Bye", "See you soon.", intent=5, cut=1)]
    row = encoder.conversation("Be brief.", turns)
    learnt = [token for token, wanted in zip(row.ids, row.learn, strict=True) if wanted]
    assert learnt == [*encoder.text("Hi!"), END_ASSISTANT, encoder.text("See you soon.")[0]]
    intents = [(token, i) for token, i in zip(row.ids, row.intents, strict=True) if i != NO_INTENT]
    assert intents == [(ASSISTANT, 3), (ASSISTANT, 5)]


def test_a_tiny_model_trains_exports_and_chats(material: Corpus, recipe: "Recipe", tmp_path: Path) -> None:
    """A few steps give a file that the engine loads; its tokens, prompt and logits are the network's own."""
    import torch

    from models.lkjsxclm.tokenizer import ASSISTANT, Encoder, Turn
    from models.lkjsxclm.train import make

    path = tmp_path / "tiny.gguf"
    trained = make(material, recipe, path, report_every=0)
    encoder = Encoder(trained.tokenizer)
    texts = [text for _, exchange in material.exchanges() for text in (exchange.question, exchange.answer)]
    with evaluate.open_model(path) as engine:
        for text in [*texts, *ODD]:
            tokens = engine.prompt([user(text)], evaluate.GREEDY).tokens
            inside = [token.id for token in tokens[1:-3]]
            assert inside == encoder.text(text), text
        chat = [system("Be brief."), user("Hello?"), assistant("Hi!"), user("Who are you?")]
        prompt = engine.prompt(chat, evaluate.GREEDY)
        expected = encoder.conversation("Be brief.", [Turn("Hello?", "Hi!"), Turn("Who are you?", "")]).ids
        ids = [token.id for token in prompt.tokens]
        assert ids == expected[: len(ids)]
        assert ids[-1] == ASSISTANT
        answer = evaluate.asker(engine, replace(evaluate.GREEDY, max_tokens=8))(chat)
    wanted: list[int] = []
    with torch.no_grad():
        for _ in range(8):
            wanted.append(int(trained.network(torch.tensor([ids + wanted]))[0, -1].argmax()))
    assert trained.tokenizer.decode(wanted).startswith(answer[:4])


def test_the_same_seed_gives_the_same_file(material: Corpus, recipe: "Recipe", tmp_path: Path) -> None:
    """Two runs on one machine write the same bytes; another seed writes others."""
    from models.lkjsxclm.train import make

    short = replace(recipe, phases=(replace(recipe.phases[1], steps=3),))
    files = [tmp_path / name for name in ("a.gguf", "b.gguf", "c.gguf")]
    for path, seed in zip(files, (1, 1, 2), strict=True):
        make(material, replace(short, seed=seed), path, report_every=0)
    one, same, other = (path.read_bytes() for path in files)
    assert one == same
    assert one != other
