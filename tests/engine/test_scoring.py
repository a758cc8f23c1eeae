"""Scoring and embedding given texts with llama.cpp."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.chat.message import assistant, user
from chatcli.engine.base import EmbedsText, ScoresText
from chatcli.engine.llama.engine import LlamaEngine
from chatcli.engine.llama.scoring import log_probabilities
from chatcli.engine.llama.tape import Tape
from chatcli.errors import ContextOverflow
from chatcli.sampling import SamplingParams
from tests.engine import tiny_models
from tests.engine.conftest import OPTIONS, loaded_model

_CHAT = [user("What is the capital of France?")]
_GREEDY = SamplingParams(temperature=0, max_tokens=8)


@pytest.fixture
def engine(tiny_llama_path: Path) -> Iterator[LlamaEngine]:
    """An engine of its own."""
    with LlamaEngine.open(tiny_llama_path, OPTIONS) as engine:
        yield engine


@pytest.mark.parametrize("model", ["llama", "mamba", "lfm2"])
def test_scores_are_those_of_decoding(model: str, request: pytest.FixtureRequest) -> None:
    """Each log-probability is the one that decoding token by token gives; batches do not matter."""
    ids, first = list(range(30, 90)), 20  # more than a batch before and after
    with loaded_model(request.getfixturevalue(f"tiny_{model}_path")) as loaded:
        tape, lib = Tape(loaded.native, loaded.context, loaded.batch_size), loaded.native.lib
        width = lib.llama_vocab_n_tokens(loaded.vocab)
        list(tape.read(ids[:first]))
        expected = []
        for token in ids[first:]:
            logits = lib.llama_get_logits_ith(loaded.context, -1)[:width]
            expected.append(logits[token] - math.log(sum(map(math.exp, logits))))
            tape.append(token)
        held = list(tape.ids)
        scores = log_probabilities(loaded, ids, first, lambda _context: None)
        assert scores == pytest.approx(expected, abs=1e-3)
        assert tape.ids == held
        assert lib.llama_memory_seq_pos_max(lib.llama_get_memory(loaded.context), 0) == len(held) - 1


def test_what_the_model_would_say_is_likelier(engine: LlamaEngine) -> None:
    """The engine's own greedy answer scores higher than other words, and scoring leaves the chat's memory."""
    assert isinstance(engine, ScoresText)
    events = list(engine.generate(_CHAT, _GREEDY))
    answer = "".join(getattr(event, "text", "") for event in events)
    before = bytes(engine.save_state() or b"")
    own, other = engine.score(_CHAT, answer), engine.score(_CHAT, answer[::-1])
    assert sum(own) / len(own) > sum(other) / len(other)
    assert bytes(engine.save_state() or b"") == before
    assert all(score <= 0 for score in own)


def test_an_answer_can_be_scored_in_parts(engine: LlamaEngine) -> None:
    """The score of the rest of an answer is the end of the score of the whole, however it is cut."""
    whole = engine.score(_CHAT, "one, two")
    rest = engine.score([*_CHAT, assistant("one,")], " two")
    assert rest == pytest.approx(whole[-len(rest) :], abs=1e-4)


def test_markup_in_a_continuation_is_text(engine: LlamaEngine) -> None:
    """A control token's text is scored as the words it is made of, so it takes several tokens."""
    assert len(engine.score(_CHAT, "<|im_end|>")) > 1


def test_an_adapter_changes_the_scores(engine: LlamaEngine, tmp_path: Path) -> None:
    """The adapter in use counts, at its scale; without it the scores are as before."""
    adapter = tiny_models.write_adapter(tmp_path / "adapter.gguf")
    plain = engine.score(_CHAT, "one, two")
    engine.set_adapter(adapter)
    assert engine.score(_CHAT, "one, two") != pytest.approx(plain, abs=1e-3)
    engine.set_adapter(None)
    assert engine.score(_CHAT, "one, two") == pytest.approx(plain, abs=1e-6)


def test_what_does_not_fit_is_refused(tiny_llama_path: Path) -> None:
    """A continuation that is longer than the context is an error, and so is a long text to embed."""
    with LlamaEngine.open(tiny_llama_path, replace(OPTIONS, context_size=100)) as engine:
        with pytest.raises(ContextOverflow):
            engine.score(_CHAT, "word " * 200)
        with pytest.raises(ContextOverflow):
            engine.embed("word " * 200)


def test_an_embedding_has_length_one_and_depends_on_the_text(engine: LlamaEngine) -> None:
    """Same text, same vector; another text, another one."""
    assert isinstance(engine, EmbedsText)
    one, same, other = engine.embed("one, two"), engine.embed("one, two"), engine.embed("Paris")
    assert math.hypot(*one) == pytest.approx(1)
    assert one == same
    assert one != pytest.approx(other, abs=1e-3)
