"""Which judgements count: the last of the same, none that was retracted or edited."""

import json
import random

import pytest

from chatcli.chat.message import assistant, user
from chatcli.feedback.answers import Model
from chatcli.feedback.codec import encode, from_plain
from chatcli.feedback.judgements import Succession, content_key, live, subject, trace_of
from chatcli.feedback.records import (
    Judge,
    Rating,
    Record,
    Retraction,
    Target,
    comparison,
    correction,
    ranking,
    rating,
    retraction,
)

from .golden import golden_records

PROMPT, ANSWER = [user("q")], assistant("a")
AI = Judge(by="ai", model=Model(name="judge"), principle="be right")


def at(*messages: int | str, transcript: str = "t") -> Target:
    """A target."""
    return Target(transcript=transcript, messages=messages)


def fates(*log: Record) -> list[str]:
    """What became of the events of a log, oldest first."""
    succession = Succession()
    return [succession.fate(trace_of(record)).value for record in reversed(log)][::-1]


def test_the_last_of_the_same_counts() -> None:
    """Same kind, same answers, same judge: the last one; anything else is another judgement."""
    first = rating(PROMPT, ANSWER, at(2), thumb=1)
    others: list[Record] = [
        rating(PROMPT, ANSWER, at(4), thumb=1),
        rating(PROMPT, ANSWER, at(2, transcript="u"), thumb=1),
        rating(PROMPT, ANSWER, at(2), thumb=1, judge=AI),
        rating(PROMPT, ANSWER, at(2), thumb=1, judge=Judge(name="Ann")),
        rating(PROMPT, ANSWER, at("2"), thumb=1),
        comparison(PROMPT, (ANSWER, ANSWER), at(2, 3), winner="tie", left=0, blind=True),
        ranking(PROMPT, (ANSWER, ANSWER), at(2, 3), ranks=(1, 2), blind=True),
        correction(PROMPT, ANSWER, at(2, 9), edited="b"),
    ]
    assert fates(first, *others) == ["live"] * 9
    again = rating(PROMPT, ANSWER, at(2), score=3)
    assert fates(first, *others, again) == ["superseded"] + ["live"] * 9
    assert fates(first, first, first) == ["superseded", "superseded", "live"]


def test_the_order_of_the_answers_does_not_matter() -> None:
    """The same two answers shown the other way round, or ranked in another order, are the same."""
    one = comparison(PROMPT, (ANSWER, ANSWER), at(2, 3), winner="left", left=0, blind=True)
    two = comparison(PROMPT, (ANSWER, ANSWER), at(3, 2), winner="left", left=1, blind=True)
    assert fates(one, two) == ["superseded", "live"]


def test_a_correction_of_the_same_answer_supersedes() -> None:
    """Whatever id the edited answer got."""
    one, two = (correction(PROMPT, ANSWER, at(2, edited), edited="b") for edited in (3, 4))
    assert fates(one, two) == ["superseded", "live"]


def test_after_a_retraction_the_answer_is_unrated() -> None:
    """What was superseded does not come back; a later judgement counts again."""
    first, second = (rating(PROMPT, ANSWER, at(2), thumb=thumb) for thumb in (1, -1))
    log: list[Record] = [first, second, retraction(second.id)]
    assert fates(*log) == ["superseded", "retracted", "mark"]
    third = rating(PROMPT, ANSWER, at(2), thumb=1)
    assert fates(*log, third) == ["superseded", "retracted", "mark", "live"]
    assert fates(first, second, retraction(first.id)) == ["retracted", "live", "mark"]
    assert fates(first, retraction("no such id")) == ["live", "mark"]


def test_an_edit_ends_what_it_replaces() -> None:
    """Even if the edit names another target, and even after the edit is retracted."""
    first = rating(PROMPT, ANSWER, at(2), thumb=1)
    edited = rating(PROMPT, ANSWER, at(7), thumb=1, replaces=first.id)
    assert fates(first, edited) == ["edited", "live"]
    assert fates(first, edited, retraction(edited.id)) == ["edited", "retracted", "mark"]


def test_without_a_target_the_content_or_the_foreign_id_tells() -> None:
    """The same answer to the same prompt; of imported records, the same foreign id."""
    said = (("q", "a"), ("q", "b"), ("r", "a"), ("q", "a"))
    bare = [rating([user(question)], assistant(answer), thumb=1) for question, answer in said]
    assert fates(*bare) == ["superseded", "live", "live", "live"]
    foreign = [
        rating(PROMPT, ANSWER, thumb=1, origin=origin, foreign_id=name)
        for origin, name in (("import:x", "1"), ("import:x", "2"), ("import:y", "1"), ("import:x", "1"))
    ]
    assert fates(*foreign) == ["superseded", "live", "live", "live"]


def test_content_keys_do_not_mind_the_order() -> None:
    """Two answers, whichever is called A."""
    a, b = assistant("a"), assistant("b")
    one, two = (comparison(PROMPT, p, winner="tie", left=0, blind=True) for p in ((a, b), (b, a)))
    assert content_key(one) == content_key(two)


def test_what_newer_versions_add_does_not_matter() -> None:
    """Unknown fields change neither what was judged nor by whom."""
    for record in golden_records():
        fields = json.loads(encode(record)) | {"new": {"a": 1}}
        assert trace_of(from_plain(fields)) == trace_of(record)
    assert trace_of(retraction("x")).subject is None


def test_live_gives_what_counts_in_order() -> None:
    """Of a whole log, oldest first, without retractions."""
    first, second = (rating(PROMPT, ANSWER, at(place), thumb=1) for place in (2, 3))
    gone = rating(PROMPT, ANSWER, at(4), thumb=1)
    again = rating(PROMPT, ANSWER, at(2), thumb=-1)
    assert live([first, second, gone, again, retraction(gone.id)]) == [second, again]
    assert live([]) == []


@pytest.mark.parametrize("seed", range(20))
def test_it_agrees_with_the_rules_read_forwards(seed: int) -> None:
    """Random logs of ratings, edits and retractions, against a slow reading of the same rules."""
    rng = random.Random(seed)
    log: list[Record] = []
    for _ in range(60):
        past = [r.id for r in log] or ["none"]
        if rng.random() < 0.25:
            log.append(retraction(rng.choice(past)))
        else:
            replaces = rng.choice(past) if rng.random() < 0.2 else None
            log.append(rating(PROMPT, ANSWER, at(rng.randrange(6)), thumb=1, replaces=replaces))
    state: dict[str, str] = {}
    holder: dict[object, str] = {}
    for record in log:
        if isinstance(record, Retraction):
            if state.get(record.retracts) not in (None, "mark"):
                state[record.retracts] = "retracted"
            state[record.id] = "mark"
        elif isinstance(record, Rating) and record.target is not None:
            if state.get(record.replaces or "") not in (None, "mark"):
                state[record.replaces or ""] = "edited"
            former = holder.get(record.target.messages)
            if former is not None and state[former] == "live":
                state[former] = "superseded"
            holder[record.target.messages] = record.id
            state[record.id] = "live"
    mine = fates(*log)
    assert [f == "live" for f in mine] == [state[r.id] == "live" for r in log]


def test_neighbouring_answers_are_not_taken_for_each_other() -> None:
    """Pairs of successive numbers, as an arena has them: one in 270 hashed like another as a frozenset."""

    def about(*messages: int) -> int:
        target = at(*messages)
        return subject(
            comparison(PROMPT, (ANSWER, assistant("b")), target, winner="left", left=0, blind=True)
        )

    seen = {about(2 * n, 2 * n + 1) for n in range(20_000)}
    assert len(seen) == 20_000
    assert about(39_999, 39_998) in seen
