"""Records of every kind, as hypothesis makes them."""

from datetime import UTC

from hypothesis import strategies as st

from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Picture, Role, Timings, Usage
from chatcli.feedback.records import (
    EventFields,
    Judge,
    JudgementFields,
    Record,
    Target,
    Thumb,
    comparison,
    correction,
    ranking,
    rating,
    retraction,
)
from chatcli.sampling import SamplingParams

WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
_SECONDS = st.floats(0, 1e6)
GENERATIONS = st.builds(
    Generation,
    st.builds(
        ModelRef,
        NAMES,
        WORDS,
        WORDS,
        WORDS,
        WORDS,
        WORDS,
        WORDS,
        st.floats(-8, 8),
        st.integers(0, 2**40),
        WORDS,
    ),
    st.sampled_from(FinishReason),
    st.builds(
        SamplingParams,
        temperature=st.floats(0, 2),
        top_k=st.integers(0, 200),
        seed=st.none() | st.integers(0, 2**32 - 2),
        max_tokens=st.none() | st.integers(1, 9),
        stop=st.lists(NAMES, max_size=2).map(tuple),
        grammar=st.none() | WORDS,
    ),
    st.builds(Usage, *[st.integers(0, 2**40)] * 4),
    st.builds(Timings, *[_SECONDS] * 3),
    st.dictionaries(WORDS, WORDS, max_size=2),
    st.none() | st.booleans(),
)
ANSWERS = st.builds(Message, st.just(Role.ASSISTANT), WORDS, st.none() | WORDS, st.none() | GENERATIONS)
_PICTURES = st.lists(st.builds(Picture, st.sampled_from(["a" * 64, "b" * 64]), NAMES), max_size=2).map(tuple)
PROMPTS = st.lists(
    st.builds(Message, st.sampled_from(Role), WORDS, st.none() | WORDS, pictures=_PICTURES),
    min_size=1,
    max_size=3,
)
TARGETS = st.none() | st.builds(
    lambda transcript, messages: Target(transcript=transcript, messages=messages),
    NAMES,
    st.lists(st.integers(1, 99) | NAMES, min_size=1, max_size=3).map(tuple),
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """A record of any kind."""
    event: EventFields = {
        "time": draw(st.datetimes(timezones=st.just(UTC))),
        "origin": draw(st.sampled_from(("chat", "rate", "arena", "import:x"))),
        "judge": draw(st.builds(lambda name: Judge(name=name), st.none() | NAMES)),
        "comment": draw(st.none() | WORDS),
    }
    if draw(st.booleans()):
        return retraction(draw(NAMES), **event)
    reasons = draw(st.lists(NAMES, max_size=2).map(tuple))
    more: JudgementFields = {**event, "reasons": reasons, "tags": reasons[1:]}
    prompt, target = draw(PROMPTS), draw(TARGETS)
    kind = draw(st.sampled_from(("rating", "comparison", "ranking", "correction")))
    if kind == "rating":
        thumb: Thumb = draw(st.sampled_from((-1, 1)))
        score = draw(st.none() | st.integers(1, 10))
        return rating(prompt, draw(ANSWERS), target, thumb=thumb, score=score, **more)
    if kind == "correction":
        return correction(prompt, draw(ANSWERS), target, edited=draw(WORDS), **more)
    blind = draw(st.booleans())
    if kind == "comparison":
        return comparison(
            prompt, (draw(ANSWERS), draw(ANSWERS)), target, blind=blind, left=draw(st.sampled_from((0, 1))),
            winner=draw(st.sampled_from(("left", "right", "tie", "both_bad"))), **more,
        )  # fmt: skip
    answers = draw(st.lists(ANSWERS, min_size=2, max_size=4))
    ranks = draw(st.lists(st.integers(-3, 3), min_size=len(answers), max_size=len(answers)))
    return ranking(prompt, answers, target, ranks=ranks, blind=blind, **more)
