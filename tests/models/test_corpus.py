"""The corpus of the bundled model: its size, its form, and what it must never be trained on."""

import json
from pathlib import Path
from random import Random

import pytest

from chatcli.errors import DataError
from models.lkjsxclm import corpus
from models.lkjsxclm.corpus import BEYOND, Corpus, Dialogue, Exchange, normalise, segments
from models.lkjsxclm.unfamiliar import Composer
from models.lkjsxclm.wording import Rewriter, slip


@pytest.fixture(scope="module")
def material() -> Corpus:
    return corpus.read()


def test_it_is_large_enough(material: Corpus) -> None:
    """At least 120 transcripts of several turns, and 900 exchanges that differ."""
    assert sum(len(dialogue.exchanges) > 1 for dialogue in material.dialogues) >= 120
    assert len({exchange for _, exchange in material.exchanges()}) >= 900


def test_it_declines_enough(material: Corpus) -> None:
    """At least 200 requests beyond the model; the answers say so and name the command to fetch another."""
    declines = material.declines()
    declined = {exchange for _, exchange in material.exchanges() if exchange.answer in declines}
    assert len(declined) >= 200
    for exchange in declined:
        assert "tiny demonstration model" in exchange.answer
        assert "chatcli pull" in exchange.answer


def test_enough_is_held_out(material: Corpus) -> None:
    """At least 15% of the questions have held-out rewordings, and there are held-out requests beyond it."""
    answered = {exchange.question for dialogue, exchange in material.exchanges() if dialogue.group != BEYOND}
    assert len({item.like for item in material.held_out if item.like}) >= 0.15 * len(answered)
    assert sum(item.like is None for item in material.held_out) >= 50


def test_composed_requests_are_none_of_the_transcripts(material: Corpus) -> None:
    """Every kind of composed request is declined by an answer of the transcripts."""
    answers = {exchange.question: exchange.answer for _, exchange in material.exchanges()}
    random = Random(7)
    composer = Composer()
    requests = [composer.compose(random) for _ in range(500)]
    assert all(answers[request.like] in material.declines() for request in requests)
    assert not any("{" in request.text and "}" not in request.text for request in requests)


def test_variations_keep_to_the_seed(material: Corpus) -> None:
    """The same seed varies the questions in the same way; another seed does not."""

    def varied(seed: int) -> list[str]:
        random, rewriter = Random(seed), Rewriter()
        questions = [exchange.question for _, exchange in material.exchanges()][:200]
        return [slip(rewriter.reword(text, random, follow_up=False), random) for text in questions]

    assert varied(1) == varied(1)
    assert varied(1) != varied(2)
    assert all(text.strip() for text in varied(3))


def test_a_question_in_other_words_keeps_its_subject() -> None:
    """The thing that is asked about is still named, by one of its names; only a word left out may hide it."""
    random, rewriter = Random(5), Rewriter()
    texts = [rewriter.reword("What is DPO?", random, follow_up=False).lower() for _ in range(400)]
    named = [text for text in texts if "dpo" in text or "direct preference optimization" in text]
    assert len(set(texts)) > 50
    assert len(named) > 0.9 * len(texts)


def test_segments_keep_follow_ups_behind_what_they_follow() -> None:
    """A dialogue is cut only before questions that stand on their own, and nothing is lost."""
    turns = (
        Exchange("What is a policy?", "a"),
        Exchange("And what is the opposite?", "b"),
        Exchange("How do I leave the chat?", "c"),
        Exchange("Is there another way?", "d"),
    )
    assert segments(Dialogue("g", "n", None, turns)) == [turns[:2], turns[2:]]


@pytest.mark.parametrize(
    ("held_out", "problem"),
    [
        ({"like": "What is a cat?", "ask": "WHAT is a  cat!"}, "trained on"),
        ({"like": None, "ask": "a cat, what is it"}, "trained on"),
        ({"like": "What is a dog?", "ask": "dogs?"}, "no transcript asks"),
    ],
)
def test_what_is_held_out_is_not_trained_on(
    tmp_path: Path, held_out: dict[str, str | None], problem: str
) -> None:
    """Neither a transcript nor a wording may hold a held-out question, whatever its case and punctuation."""
    for name in ("transcripts/pets", "wordings", "heldout"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "transcripts/pets/cat.txt").write_text(
        "<user>What is a cat?</user>\n<lkjsxclm>A pet.</lkjsxclm>\n", encoding="utf-8"
    )
    _jsonl(tmp_path / "wordings/a.jsonl", {"like": "What is a cat?", "ask": ["A cat: what is it?"]})
    _jsonl(tmp_path / "heldout/a.jsonl", held_out)
    with pytest.raises(DataError, match=problem):
        corpus.read(*(tmp_path / name for name in ("transcripts", "wordings", "heldout")))


def test_normalise_leaves_words_only() -> None:
    """Case, punctuation and spacing do not make another question."""
    assert normalise("  What's   THAT?! ") == normalise("what s that") == "what s that"


def _jsonl(path: Path, record: object) -> None:
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
