"""What stays in the memory when a prompt says the same in other tokens."""

from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.engine.llama.reuse import reuse
from chatcli.engine.llama.vocabulary import Vocabulary

CONTROL, DEFINED = 256, 257  # <c>, <d>; ids below are single bytes, above are words
WORDS = [b"th", b"the", b"he", b" t", b"\n\n", b".\n", b"e ", b"hi", b"\xc3\xa9", b"h", b"<d>", b"<d"]


class Miniature(Vocabulary):
    """A vocabulary of bytes, a few words, one control and one user-defined token."""

    def __init__(self) -> None:
        pass  # no model is loaded

    def piece(self, token: int) -> bytes:
        """The bytes of a token."""
        if token < 256:
            return bytes([token])
        return {CONTROL: b"<c>", DEFINED: b"<d>"}.get(token) or WORDS[token - 258]

    def is_special(self, token: int) -> bool:
        """Control or user-defined."""
        return token in (CONTROL, DEFINED)

    def is_control(self, token: int) -> bool:
        """Control."""
        return token == CONTROL

    def continuation(self, data: bytes) -> list[int]:
        """The longest words first, then bytes."""
        ids, at = [], 0
        while at < len(data):
            word = max((w for w in WORDS if data.startswith(w, at)), key=len, default=data[at : at + 1])
            ids.append(258 + WORDS.index(word) if word in WORDS else word[0])
            at += len(word)
        return ids

    def spell(self, data: bytes) -> list[int]:
        """Bytes."""
        return list(data)


TINY = Miniature()
TOKENS = st.one_of(st.sampled_from([*b"the .\n<d>\xc3\xa9"]), st.integers(256, 257 + len(WORDS)))


def _text(ids: list[int]) -> bytes:
    return b"".join(map(TINY.piece, ids))


def _of(text: bytes) -> list[int]:
    return TINY.continuation(text)


@settings(max_examples=400, deadline=None)
@given(st.lists(TOKENS, max_size=12), st.lists(TOKENS, min_size=1, max_size=14), st.data())
def test_the_prompt_is_what_it_was(cached: list[int], fresh: list[int], data: st.DataObject) -> None:
    """Kept and decoded tokens together say what the prompt says, with its special tokens in their places."""
    if data.draw(st.booleans()):  # the same text in other tokens, with something behind it
        respelled = [part for token in cached for part in _respelled(token, data)]
        fresh = respelled + (fresh if data.draw(st.booleans()) or not respelled else [])
    generated = [data.draw(st.booleans()) for _ in cached]
    plan = reuse(cached, generated, fresh, TINY)
    result = [*cached[: plan.keep], *plan.decode]
    assert plan.decode
    assert plan.keep <= len(cached)
    assert _text(result) == _text(fresh)
    places = [_specials(ids, [False] * len(ids)) for ids in (fresh,)]
    written_by_model = [*generated[: plan.keep], *[False] * len(plan.decode)]
    assert _specials(result, written_by_model) <= places[0]
    assert {place for place in places[0] if place[1] == CONTROL} == {
        place for place in _specials(result, [False] * len(result)) if place[1] == CONTROL
    }


def _respelled(token: int, data: st.DataObject) -> list[int]:
    plain = not TINY.is_special(token)
    return list(TINY.piece(token)) if plain and data.draw(st.booleans()) else [token]


def _specials(ids: list[int], generated: list[bool]) -> set[tuple[int, int]]:
    """Where special tokens stand, by byte offset; without user-defined ones that the model wrote."""
    found, at = set(), 0
    for token, own in zip(ids, generated, strict=True):
        if TINY.is_special(token) and not (own and token == DEFINED):
            found.add((at, token))
        at += len(TINY.piece(token))
    return found


def test_same_ids_stay() -> None:
    """A prompt that begins with the memory is decoded from where the memory ends."""
    cached = [*b"abc", CONTROL, *b"de"]
    plan = reuse(cached, [False] * 6, [*cached, *b"fg"], TINY)
    assert (plan.keep, plan.decode) == (6, [*b"fg"])


def test_one_token_is_always_read() -> None:
    """Even if the memory holds the whole prompt, its last token is read again for its logits."""
    plan = reuse([*b"abcd"], [True] * 4, [*b"abc"], TINY)
    assert (plan.keep, plan.decode) == (2, [*b"c"])


def test_what_the_model_wrote_stays() -> None:
    """Other tokens for the same text do not cost the answer, only what differs behind it."""
    cached = [*b"ask", CONTROL, *b"the hi", CONTROL]
    fresh = [*b"ask", CONTROL, *_of(b"the hi"), CONTROL, *b"more"]
    assert fresh[4] != cached[4]
    plan = reuse(cached, [False] * 4 + [True] * 6 + [False], fresh, TINY)
    assert (plan.keep, plan.decode) == (len(cached), [*b"more"])


def test_only_the_model_may_have_written_markup() -> None:
    """A user-defined token stands for the same text if the model wrote it, and not if a template did."""
    cached, fresh = [*b"a", DEFINED, *b"b"], [*b"a<d>bc"]
    assert reuse(cached, [True] * 3, fresh, TINY).keep == 3
    assert reuse(cached, [False] * 3, fresh, TINY).keep == 1
    assert reuse([*b"a", CONTROL], [True] * 2, [*b"a<c>b"], TINY).keep == 1


def test_text_never_stands_for_a_template_token() -> None:
    """The plain text of a token is not the token."""
    assert reuse([*b"a<d>b"], [True] * 5, [*b"a", DEFINED, *b"b"], TINY).keep == 1


def test_memory_that_ends_inside_a_token() -> None:
    """The rest of that token is read as a continuation, up to the next special token."""
    stop = 258 + WORDS.index(b".\n")
    plan = reuse([*b"hi."], [True] * 3, [*b"hi", stop, *b"the", CONTROL, *b"x"], TINY)
    assert plan.keep == 3
    assert plan.decode == [*_of(b"\nthe"), CONTROL, *b"x"]


def test_difference_at_the_memory_s_last_token() -> None:
    """A last token that says something else does not stay."""
    plan = reuse([*b"a", *_of(b"the")], [True] * 2, [*b"a", *_of(b"th"), *b"x"], TINY)
    assert (plan.keep, _text(plan.decode)) == (1, b"thx")
