import itertools

from hypothesis import given
from hypothesis import strategies as st

from chatcli.engine.answer import StopStrings

_LETTERS = st.text("ab<>/", max_size=30)
_STOPS = st.lists(st.text("ab<>/", min_size=1, max_size=5), max_size=4)


def _cut(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(p % (len(text) + 1) for p in places)})
    return [text[a:b] for a, b in itertools.pairwise(edges)]


def _run(pieces: list[str], stops: list[str]) -> tuple[str, str | None]:
    filtered = StopStrings(stops)
    shown = "".join(filtered.feed(piece) for piece in pieces)
    return shown + filtered.finish(), filtered.found


@given(_LETTERS, _STOPS, st.lists(st.integers(0, 30)))
def test_the_result_does_not_depend_on_the_pieces(text: str, stops: list[str], places: list[int]) -> None:
    """However a text is cut into pieces, the same part of it is shown."""
    assert _run(_cut(text, places), stops) == _run(list(text), stops)


@given(_LETTERS, _STOPS, st.lists(st.integers(0, 30)))
def test_what_is_shown_is_everything_before_the_stop_that_is_completed_first(
    text: str, stops: list[str], places: list[int]
) -> None:
    """The text ends where a plain search, character by character, first completes a stop string."""
    shown, found = _run(_cut(text, places), stops)
    for end in range(len(text) + 1):
        hits = [stop for stop in stops if text[:end].endswith(stop)]
        if hits:
            assert found == max(hits, key=len)
            assert shown == text[: end - len(found)]
            return
    assert (shown, found) == (text, None)


@given(_LETTERS, _STOPS)
def test_nothing_is_shown_that_the_next_character_could_turn_into_a_stop_string(
    text: str, stops: list[str]
) -> None:
    """At every moment the end of the text that begins a stop string is held back."""
    filtered = StopStrings(stops)
    shown = ""
    for read, character in enumerate(text, 1):
        shown += filtered.feed(character)
        if filtered.found is not None:
            return
        begun = [n for stop in stops for n in range(len(stop)) if text[:read].endswith(stop[:n])]
        assert shown == text[: read - max(begun, default=0)]


def test_text_after_a_stop_string_is_dropped() -> None:
    """A piece may hold a stop string and more; later pieces are dropped too."""
    filtered = StopStrings(["END"])
    assert [filtered.feed("one END two"), filtered.feed("three"), filtered.finish()] == ["one ", "", ""]
