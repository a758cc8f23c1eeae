import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from chatcli.engine.base import ReasoningDelta, TextDelta
from chatcli.engine.llama.model_format import AnswerStream
from chatcli.engine.reasoning import ReasoningSplitter, detect

_BYTES = st.one_of(st.binary(max_size=24), st.text(max_size=12).map(str.encode))


def _cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(p % (len(data) + 1) for p in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def _run(pieces: list[bytes], stops: Sequence[str] = (), template: str = "") -> tuple[str, str, str | None]:
    """Answer, reasoning and stop string."""
    stream = AnswerStream(ReasoningSplitter(detect(template)), stops)
    events = [event for piece in pieces for event in stream.feed(piece)] + list(stream.finish())
    answer = "".join(e.text for e in events if isinstance(e, TextDelta))
    return answer, "".join(e.text for e in events if isinstance(e, ReasoningDelta)), stream.stop


@given(_BYTES, st.lists(st.integers(0, 24)))
def test_bytes_become_the_text_they_are(data: bytes, places: list[int]) -> None:
    """However the bytes are cut: characters whole, and U+FFFD only where they really are no UTF-8."""
    assert _run(_cut(data, places)) == (data.decode("utf-8", "replace"), "", None)


@given(st.text(), st.lists(st.integers(0, 60)))
def test_no_event_holds_part_of_a_character(text: str, places: list[int]) -> None:
    """Each event alone could be printed and encoded."""
    stream = AnswerStream(ReasoningSplitter(None), ())
    for piece in _cut(text.encode(), places):
        for event in stream.feed(piece):
            assert isinstance(event, TextDelta)
            assert event.text
            assert "\ufffd" not in event.text or "\ufffd" in text


@given(
    st.text("ab\u00e9\U0001f600", max_size=20),
    st.lists(st.text("ab\u00e9\U0001f600", min_size=1, max_size=3), min_size=1, max_size=3),
    st.lists(st.integers(0, 60)),
)
def test_stop_strings_are_found_across_bytes(text: str, stops: list[str], places: list[int]) -> None:
    """A stop string of many bytes is found wherever the tokens cut it."""
    whole = _run([text.encode()], stops)
    assert _run(_cut(text.encode(), places), stops) == whole
    assert not any(stop in whole[0] for stop in stops)


@given(st.text("ab <>/think\n", max_size=30), st.lists(st.integers(0, 30)))
def test_a_stop_string_ends_the_answer_and_not_the_reasoning(answer: str, places: list[int]) -> None:
    """In the reasoning it is a word like any other; after it in the answer nothing comes at all."""
    data = f"<think>a b</think>{answer}b<think>b".encode()
    text, reasoning, stop = _run(_cut(data, places), ["b"], "<think></think>")
    assert (reasoning, stop) == ("a b", "b")
    assert "b" not in text
