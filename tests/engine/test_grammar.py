import json
import os
from pathlib import Path
from typing import Any

import pytest

from chatcli.engine.llama.grammar import json_schema_to_grammar
from chatcli.engine.llama.loading import LoadedModel
from chatcli.engine.llama.sampler import Sampler
from chatcli.engine.llama.tape import Tape
from chatcli.engine.llama.vocabulary import Vocabulary
from chatcli.errors import UsageError
from chatcli.sampling import SamplingParams
from tests.engine import tiny_models

_EVERYTHING = {
    "type": "object",
    "properties": {
        'na\\me é"': {"type": "string", "maxLength": 8},
        "count": {"type": "integer"},
        "choice": {"enum": ["a\\b", "ü\n\t", {"x": 1}, None, "\ud800"]},
        "list": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
    },
    "required": ['na\\me é"', "count", "choice", "list"],
    "additionalProperties": False,
}


def _constrained(loaded: LoadedModel, grammar: str, seed: int, limit: int = 600) -> tuple[bytes, bool]:
    """What the model writes under a grammar, and whether it ended by itself."""
    tape, vocabulary = Tape(loaded.native, loaded.context, loaded.batch_size), Vocabulary(loaded.model)
    tape.clear()
    assert list(tape.read([1]))
    params = SamplingParams(temperature=1.5, top_k=0, top_p=1, min_p=0, seed=seed, grammar=grammar)
    sampler = Sampler(loaded.native, loaded.vocab, params, context_size=loaded.context_size, prompt=[])
    written = b""
    try:
        for _ in range(limit):
            token = sampler.sample(loaded.context)
            if token is None or vocabulary.is_end(token):
                return written, True
            written += vocabulary.piece(token)
            tape.append(token)
    finally:
        sampler.close()
    return written, False


@pytest.mark.parametrize("seed", range(6))
def test_sentences_of_a_schema_are_json_of_that_schema(llama: LoadedModel, seed: int) -> None:
    """A model with random weights writes valid JSON, with quotes, backslashes and control characters escaped.

    The binding's own converter (0.3.36) does not escape backslashes and allows raw newlines in strings.
    """
    text, ended = _constrained(llama, json_schema_to_grammar(json.dumps(_EVERYTHING)), seed)
    assert ended
    value: dict[str, Any] = json.loads(text.decode("utf-8", "replace"))
    assert set(value) == {'na\\me é"', "count", "choice", "list"}
    assert value["choice"] in ["a\\b", "ü\n\t", {"x": 1}, None, "\ud800"]
    assert isinstance(value["count"], int)


def test_a_grammar_that_cannot_go_on_ends_the_answer(llama: LoadedModel) -> None:
    """A rule no token of the vocabulary fits ends the answer; llama.cpp alone would end the process."""
    assert _constrained(llama, 'root ::= "ab" <[999999]>', 1) == (b"ab", True)


def test_a_grammar_ends_with_the_end_of_the_turn(llama: LoadedModel) -> None:
    """When the grammar is complete the model may only end."""
    assert _constrained(llama, 'root ::= "yes"', 1) == (b"yes", True)


def test_a_piece_of_any_length_comes_through(llama: LoadedModel) -> None:
    """A token of 100 bytes is not lost (the binding's detokenizer drops pieces above 32 bytes)."""
    long_token = tiny_models.token(tiny_models.LONG_PIECE)
    assert _constrained(llama, f"root ::= <[{long_token}]>", 1)[0] == tiny_models.LONG_PIECE.encode()


@pytest.mark.parametrize(
    ("grammar", "reason"),
    [
        ('root = "a"', "line 1, column 6: expecting ::="),
        ('root ::= "a"\n\nb ::= c ]', "line 3, column 9: expecting newline or end"),
        ('root ::= "a', "unexpected end of input"),
        ('foo ::= "a"', "does not contain a 'root'"),
        ("root ::= bar", "Undefined rule identifier 'bar'"),
        ('root ::= root "a"', "left recursion"),
        ('root ::= "a"{1000000}', "number of repetitions"),
        ("", "empty"),
        ("root ::= \0", "NUL"),
        ('root ::= "\ud800"', "not Unicode"),
    ],
)
def test_an_invalid_grammar_is_refused_with_llamas_reason(
    llama: LoadedModel, capfd: pytest.CaptureFixture[str], grammar: str, reason: str
) -> None:
    """The error names the reason and the place in one line, and nothing leaks to stderr."""
    with pytest.raises(UsageError, match="grammar") as caught:
        _constrained(llama, grammar, 1)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_stderr_still_works_after_an_invalid_grammar(llama: LoadedModel, tmp_path: Path) -> None:
    """Catching what llama.cpp prints gives file descriptor 2 back as it was."""
    before = os.fstat(2)
    with pytest.raises(UsageError):
        _constrained(llama, "nonsense", 1)
    after = os.fstat(2)
    assert (after.st_dev, after.st_ino) == (before.st_dev, before.st_ino)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("[1]", "must be an object"),
        ('{"a":', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"$ref": "https://example.org/x"}', "only references inside it"),
        ('{"type": "object", "properties": {"a": {"$ref": "other.json"}}}', "other.json"),
        ('{"type": "banana"}', "banana"),
        ('{"$ref": "#/nope"}', "nope"),
        ('{"type": "string", "pattern": "^(?=a)$"}', "pattern"),
        ('{"type": "string", "pattern": 5}', "cannot be used"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_a_reason(schema: str, reason: str) -> None:
    """Whatever is wrong with a schema becomes one line, and nothing is downloaded."""
    with pytest.raises(UsageError, match="schema") as caught:
        json_schema_to_grammar(schema)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
