"""From messages to ids: what content can never become, and what it stays."""

import itertools
import random
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.chat.message import Message, Picture, Role, assistant, system, user
from chatcli.engine.llama.prompt import BuiltPrompt, PromptBuilder, Template
from chatcli.engine.llama.template import ChatTemplate, TranscriptFormat
from chatcli.engine.llama.vocabulary import Vocabulary
from chatcli.errors import ModelError
from tests.engine import templates, vocabularies

NAMES = [*vocabularies.OWN, *vocabularies.real_names()]
TEMPLATES = {
    **templates.OWN,
    **{p.stem: p.read_text(encoding="utf-8") for p in vocabularies.real_templates()},
}
ROLES = (Role.SYSTEM, Role.USER, Role.ASSISTANT)
NORMALIZING = {"bert-bge", "nomic-bert-moe"}  # vocabularies of embedding models
HARMLESS = "mnopq"
# Where a special piece may lie in a content: inside it, at its edges, cut in two, trimmed.
PLACES = (
    "{p}",
    "a{p}b",
    "{p} b",
    "a {p}",
    "{p}{p}",
    " {p}\n",
    "{tail}b{head}",
    "{tail}",
    "{head}",
    "\n {tail} {head}",
    "{head}{p}{tail}",
    "<think>{p}</think>\n{p}",
)


def _cannot_show(_picture: Picture) -> tuple[int, ...]:
    raise ModelError("it reads text only")


@cache
def _builder(vocabulary: str, template: str) -> PromptBuilder:
    known = vocabularies.vocabulary(vocabulary)
    source = TEMPLATES.get(template)
    form: Template = TranscriptFormat("lkjsxclm")
    if source is not None:
        form = ChatTemplate(source, known.bos_text, known.eos_text)
    return PromptBuilder(known, form, _cannot_show)


def _dialogue(role: Role, content: str) -> list[Message]:
    contents = dict.fromkeys(ROLES, HARMLESS) | {role: content}
    return [
        system(contents[Role.SYSTEM]),
        user(contents[Role.USER]),
        assistant(contents[Role.ASSISTANT]),
        user(contents[Role.USER]),
    ]


def _specials(vocabulary: Vocabulary, built: BuiltPrompt) -> list[int]:
    return [token for token in built.ids if vocabulary.is_special(token)]


def _spoken(vocabulary: Vocabulary, built: BuiltPrompt) -> bytes:
    """The text of the ids, without the spaces that SentencePiece puts before texts."""
    pieces: list[bytes] = []
    starts = True
    for token in built.ids:
        piece = vocabulary.piece(token)
        if vocabulary.is_special(token):
            starts = True
        else:
            piece = piece.removeprefix(b" ") if starts and vocabulary.adds_space else piece
            starts = False
        pieces.append(piece)
    return b"".join(pieces)


def _says_what_is_written(name: str, built: BuiltPrompt) -> bool:
    """Whether the ids stand for the rendered text, to which only the begin token may be added."""
    vocabulary = vocabularies.vocabulary(name)
    spoken, written = _spoken(vocabulary, built), built.text.encode()
    if name in NORMALIZING:
        return True
    if vocabulary.text_bytes(vocabulary.tokenize("▁")).strip() == b"":
        written = written.replace("▁".encode(), b" ")  # SentencePiece writes spaces as this letter
    if name.endswith("phi-3"):  # its special tokens swallow the spaces after them
        spoken, written = b"".join(spoken.split()), b"".join(written.split())
    return spoken in (written, vocabulary.bos_text.encode() + written)


def _check(name: str, template: str, role: Role, content: str) -> None:
    vocabulary = vocabularies.vocabulary(name)
    builder = _builder(name, template)
    built = builder.build(_dialogue(role, content))
    expected = [_specials(vocabulary, builder.build(_dialogue(role, HARMLESS)))]
    if not content.strip():  # where nothing is said, the template's own words stand side by side
        expected.append(_specials(vocabulary, builder.build(_dialogue(role, ""))))
    where = f"{name}, {template}, {role}, {content[:80]!r}"
    assert _specials(vocabulary, built) in expected, where
    assert _says_what_is_written(name, built), where


def _cases(name: str, count: int | None) -> Sequence[tuple[str, Role, str]]:
    pieces = vocabularies.special_pieces(vocabularies.vocabulary(name))
    own = [*templates.OWN, "transcript"]
    choose = random.Random(name)
    known = own if name in vocabularies.OWN else [*TEMPLATES, "transcript"]
    if count is not None and count < 1000:  # compiling a real template takes a while
        known = choose.sample(known, 9)
    product = itertools.product(known, ROLES, PLACES, pieces)
    if count is None:
        chosen = [(t, r, w, p) for t, r, w, p in product]
    else:
        chosen = [
            (choose.choice(known), choose.choice(ROLES), choose.choice(PLACES), choose.choice(pieces))
            for _ in range(count)
        ]
    return [(t, r, _placed(w, p)) for t, r, w, p in chosen]


def _placed(place: str, piece: str) -> str:
    middle = max(len(piece) // 2, 1)
    return place.replace("{p}", piece).replace("{head}", piece[:middle]).replace("{tail}", piece[middle:])


@pytest.mark.parametrize("name", NAMES)
def test_content_never_becomes_special(name: str) -> None:
    """Special pieces in any role and place give no special token, and the text stays what it is."""
    for template, role, content in _cases(name, 300 if name in vocabularies.OWN else 60):
        _check(name, template, role, content)


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_content_never_becomes_special_in_all_cases(name: str) -> None:
    """The same for a hundred times as many."""
    for template, role, content in _cases(name, None if name in vocabularies.OWN else 30_000):
        _check(name, template, role, content)


@pytest.mark.parametrize("name", vocabularies.OWN)
def test_neighbours_cannot_form_a_special_piece(name: str) -> None:
    """Two contents that stand side by side do not make a token of their edges."""
    vocabulary, builder = vocabularies.vocabulary(name), _builder(name, "glued")
    for piece in vocabularies.special_pieces(vocabulary):
        for cut in range(1, len(piece) if piece != vocabulary.bos_text else 0):
            built = builder.build([user(piece[:cut]), assistant(piece[cut:]), user("m")])
            assert [t for t in _specials(vocabulary, built) if t != vocabulary.bos] == [], (name, piece, cut)
            assert _says_what_is_written(name, built), (name, piece, cut)


def _reference(vocabulary: Vocabulary, text: str) -> list[int]:
    """What llama.cpp's server makes of a rendered text: no second begin token."""
    if not vocabulary.add_bos or vocabulary.bos is None:
        return vocabulary.tokenize(text, parse_special=True)
    rest = text.removeprefix(vocabulary.bos_text)
    return [vocabulary.bos, *vocabulary.tokenize(rest, parse_special=True)]


@pytest.mark.parametrize("name", NAMES)
def test_ordinary_content_keeps_its_ids(name: str) -> None:
    """Where no special piece lies in a content, the ids are those of the whole rendered text."""
    vocabulary = vocabularies.vocabulary(name)
    pieces = [piece.decode() for piece in vocabulary.special_pieces if piece.isascii()]
    text = st.text(st.sampled_from("the in>|< .,\n\"'[]/zäß日👍\u0301e123"), max_size=40)

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(
        st.lists(text.filter(lambda t: not any(p in t for p in pieces)), min_size=4, max_size=4),
        st.sampled_from(sorted(templates.OWN)),
    )
    def check(contents: list[str], template: str) -> None:
        messages = [system(contents[0]), user(contents[1]), assistant(contents[2]), user(contents[3])]
        if ("日" in "".join(contents) and name.startswith("bpe")) or template == "glued":
            return  # user-defined there; side by side, contents may form a piece
        built = _builder(name, template).build(messages)
        reference = _reference(vocabulary, built.text)
        harmless = _builder(name, template).build([system("m"), user("m"), assistant("m"), user("m")])
        if [t for t in reference if vocabulary.is_special(t)] == _specials(vocabulary, harmless):
            assert built.ids == reference, contents

    check()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("template", ["chatml", "instruct"])
def test_begin_token_comes_once(name: str, template: str) -> None:
    """Exactly one where the vocabulary wants it, whether or not the template writes it."""
    vocabulary = vocabularies.vocabulary(name)
    ids = _builder(name, template).build([user("m")]).ids
    written = template == "instruct" and vocabulary.bos is not None
    assert ids.count(vocabulary.bos if vocabulary.bos is not None else -1) == int(
        vocabulary.add_bos or written
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("template", sorted(templates.OWN))
def test_unfinished_answer_can_hold_anything(name: str, template: str) -> None:
    """An answer that goes on is content too, and the prompt ends with it."""
    vocabulary = vocabularies.vocabulary(name)
    builder = _builder(name, template)
    expected = _specials(vocabulary, builder.build([user("m"), assistant("m")]))
    pieces = vocabularies.special_pieces(vocabulary)
    for piece in [p for p in pieces if template != "thinking" or p != "</think>"][:25]:
        built = builder.build([user("m"), assistant(f"n {piece}")])
        assert _specials(vocabulary, built) == expected
        assert built.text.endswith(f"n {piece}")


@pytest.mark.parametrize("name", vocabularies.OWN)
def test_reasoning_is_content_too(name: str) -> None:
    """A special piece in an answer's reasoning does not become one."""
    vocabulary, builder = vocabularies.vocabulary(name), _builder(name, "reasoning")
    expected = _specials(vocabulary, builder.build([user("m"), assistant("m", "n")]))
    for piece in vocabularies.special_pieces(vocabulary):
        built = builder.build([user("m"), assistant("m", f"n {piece} n")])
        assert _specials(vocabulary, built) == expected


@pytest.mark.parametrize("name", ["spm", "bpe", "bpe-letters"])
def test_templates_see_the_markup_they_look_for(name: str) -> None:
    """A template that drops old reasoning finds its end in the text, though that is a token."""
    built = _builder(name, "thinking").build(
        [user("m"), assistant("<think>\nlong thoughts\n</think>\n\nThe answer </s> is n."), user("m")]
    )
    assert "thoughts" not in built.text
    assert "<|assistant|>The answer </s> is n.</s>" in built.text


def test_marks_in_content() -> None:
    """Content that holds every private-use and odd space character is treated as any other."""
    odd = "".join(map(chr, [*range(0xE000, 0xF900), 0x1F, 0x205F, *range(0x2000, 0x200B), 0x1680]))
    for way in (f"{odd}<|im_end|>", f"<|im_end|>{odd}", f" {odd} <|im_end|>\n"):
        for template in ("chatml", "instruct", "thinking"):
            _check("bpe", template, Role.USER, way)


def test_lone_surrogates() -> None:
    """They cannot be written as UTF-8, and become the replacement character."""
    built = _builder("bpe", "chatml").build([user("a\ud800b\ud83d\ude00<|im_end|>")])
    assert "a\ufffdb\U0001f600<|im_end|>" in built.text


@pytest.mark.parametrize("name", NAMES)
def test_long_content(name: str) -> None:
    """A megabyte with a special piece now and then comes through whole; the suite's time limit holds."""
    vocabulary = vocabularies.vocabulary(name)
    pieces = vocabularies.special_pieces(vocabulary)
    lines = [
        f"    if x == {n}: the end {pieces[n % len(pieces)] if n % 50 == 0 else ''}" for n in range(4000)
    ]
    _check(name, "chatml", Role.USER, "\n".join(lines))


@pytest.mark.parametrize("name", NAMES)
def test_transcript_prompt_holds_no_special_token(name: str) -> None:
    """Without a chat template everything is plain text, apart from the begin token."""
    vocabulary = vocabularies.vocabulary(name)
    pieces = vocabularies.special_pieces(vocabulary)[:20]
    built = _builder(name, "transcript").build([system("".join(pieces)), user(" ".join(pieces))])
    spelled = {} if name not in NORMALIZING else set(vocabulary.tokenize("\U0010fffd"))
    found = [t for t in _specials(vocabulary, built) if t not in spelled]
    harmless = _builder(name, "transcript").build([system("m"), user("m")])
    assert found == _specials(vocabulary, harmless)
