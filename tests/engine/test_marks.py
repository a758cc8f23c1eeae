"""Where prompts show pictures: in every template at its message, and where only a picture is."""

import pytest

from chatcli.chat.message import Message, Picture, assistant, system, user
from chatcli.engine.llama.prompt import PromptBuilder, Template
from chatcli.engine.llama.template import ChatTemplate, TranscriptFormat
from chatcli.engine.llama.vocabulary import cell_ids, is_cell
from chatcli.errors import DataError
from tests.engine import templates, vocabularies

SOURCES = {
    **templates.OWN,
    **{path.stem: path.read_text(encoding="utf-8") for path in vocabularies.real_templates()},
    "transcript": "",
}
A, B, C, GONE = (Picture(digit * 64, f"{digit}.png") for digit in "abcd")


class _Eyes:
    """Shows every picture but one as five cells between two control tokens."""

    def __init__(self, around: int) -> None:
        self._around = around

    def row(self, picture: Picture) -> tuple[int, ...]:
        if picture == GONE:
            raise DataError("d.png is not here")
        return (self._around, *cell_ids(picture.sha256, 5), self._around)


def _builder(vocabulary: str, source: str) -> PromptBuilder:
    known = vocabularies.vocabulary(vocabulary)
    form: Template = TranscriptFormat("lkjsxclm")
    if source:
        form = ChatTemplate(source, known.bos_text, known.eos_text)
    return PromptBuilder(known, form, _Eyes(min(known.special_ids)).row)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("vocabulary", ["bpe", "spm"])
@pytest.mark.parametrize("words", ["What is it?", "", "</s><|im_end|>", " \n"])
def test_pictures_stand_before_the_words_of_their_message(name: str, vocabulary: str, words: str) -> None:
    """Whatever the template, all pictures are in the prompt, once, in order, before what was said of them."""
    builder = _builder(vocabulary, SOURCES[name])
    chat: list[Message] = [
        system("You see."),
        user("zebra " + words, A, B),
        assistant("I saw that."),
        user(words, C, GONE),
    ]
    built = builder.build(chat)
    expected = [token for picture in (A, B, C) for token in cell_ids(picture.sha256, 5)]
    assert [token for token in built.ids if is_cell(token)] == expected
    assert built.unseen is not None
    assert built.unseen.names == ("d.png",)
    places = [built.text.index(f"[picture: {letter}.png]") for letter in "abcd"]
    said = built.text.index("zebra"), built.text.index("I saw that.")
    assert places[0] < places[1] < said[0] < said[1] < places[2] < places[3]
    assert "\ue100" not in built.text


def test_halves_of_a_character_do_not_make_a_mark() -> None:
    """Surrogates are joined before the template is rendered; the mark is none of what they make."""
    words = "".join(map(chr, range(0xE100, 0xF900))) + "\udb80\udc00"
    built = _builder("bpe", SOURCES["transcript"]).build([user(words, A)])
    assert [token for token in built.ids if is_cell(token)] == cell_ids(A.sha256, 5)


@pytest.mark.parametrize("name", SOURCES)
def test_a_conversation_without_pictures_is_as_ever(name: str) -> None:
    """Seeing changes nothing where there is nothing to see."""
    known = vocabularies.vocabulary("bpe")
    chat = [system("Be brief."), user("Hello <|im_end|>"), assistant("Hi."), user("And?")]
    built = _builder("bpe", SOURCES[name]).build(chat)
    assert not any(map(is_cell, built.ids))
    assert built.unseen is None
    assert max(built.ids) < known.n_tokens
