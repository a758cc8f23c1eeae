"""Vocabularies: text to ids and back, and which tokens are special."""

import pytest

from tests.engine import vocabularies

NAMES = [*vocabularies.OWN, *vocabularies.real_names()]


@pytest.mark.parametrize("name", NAMES)
def test_special_tokens_are_those_text_can_yield(name: str) -> None:
    """Every special piece, parsed as a template's text, gives a special token, and only those are special."""
    vocabulary = vocabularies.vocabulary(name)
    assert vocabulary.special_ids
    for token in sorted(vocabulary.special_ids)[:300]:
        piece = vocabulary.piece(token)
        assert piece in vocabulary.special_pieces
        assert any(map(vocabulary.is_special, vocabulary.tokenize(piece, parse_special=True)))
    plain = vocabulary.tokenize("plain words", parse_special=True)
    assert not any(map(vocabulary.is_special, plain))


@pytest.mark.parametrize("name", NAMES)
def test_spelling_is_plain_and_exact(name: str) -> None:
    """Spelled text has no special token and stands for exactly its bytes, special pieces included."""
    vocabulary = vocabularies.vocabulary(name)
    if name in {"bert-bge", "nomic-bert-moe"}:  # no tokens for bytes: letters only
        return
    for text in [*vocabularies.special_pieces(vocabulary)[:50], "ü日👍 \n\x00", "the  end"]:
        ids = vocabulary.spell(text.encode())
        assert vocabulary.text_bytes(ids) == text.encode()
        assert not any(map(vocabulary.is_special, ids))


@pytest.mark.parametrize("name", NAMES)
def test_continuation_adds_no_space(name: str) -> None:
    """Text that follows other text is tokenized without the space that begins a text."""
    vocabulary = vocabularies.vocabulary(name)
    if name in {"bert-bge", "nomic-bert-moe"}:
        return
    for text in ("the end", " the end", "\nthe", "x", "ß", ">"):
        assert vocabulary.text_bytes(vocabulary.continuation(text.encode())) == text.encode()


@pytest.mark.parametrize("name", NAMES)
def test_pieces_of_any_length(name: str) -> None:
    """Every token has its bytes, long ones too; ids outside the vocabulary are an error."""
    vocabulary = vocabularies.vocabulary(name)
    step = max(vocabulary.n_tokens // 3000, 1)
    assert all(isinstance(vocabulary.piece(i), bytes) for i in range(0, vocabulary.n_tokens, step))
    for outside in (-1, vocabulary.n_tokens):
        with pytest.raises(IndexError):
            vocabulary.piece(outside)


@pytest.mark.parametrize("name", vocabularies.OWN)
def test_begin_and_end(name: str) -> None:
    """The begin and end tokens, and the end of a turn, are what the file says."""
    vocabulary = vocabularies.vocabulary(name)
    assert (vocabulary.bos_text, vocabulary.eos_text) == ("<s>", "</s>")
    assert vocabulary.eos is not None
    assert vocabulary.is_end(vocabulary.eos)
    (turn,) = vocabulary.tokenize("<|im_end|>", parse_special=True)
    assert vocabulary.is_end(turn)
    assert vocabulary.is_control(turn)
    assert not vocabulary.is_end(vocabulary.tokenize("e")[-1])


def test_long_text() -> None:
    """Many more tokens than the first guess of their number are all returned."""
    vocabulary = vocabularies.vocabulary("spm")
    text = "日本é" * 30_000
    assert vocabulary.text_bytes(vocabulary.tokenize(text)) == b" " + text.encode()
