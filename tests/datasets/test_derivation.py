"""Rows from judgements: what every rule does, and what holds for any log."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.chat.message import Picture, user
from chatcli.datasets.export import ExportOptions, export
from chatcli.datasets.formats.table import FORMATS
from chatcli.datasets.rules import Rules
from chatcli.datasets.splits import DatasetSplit
from chatcli.errors import UsageError
from chatcli.feedback.answers import PromptMessage, prompt_key
from chatcli.feedback.codec import encode
from chatcli.feedback.records import Target, answers_in

from .export_logs import START, Log, answer, exported, logs, reported, sample

ASK = [user("p")]
PLAIN = ("dpo", "kto", "sft", "openai", "axolotl", "llama-factory", "hh-rlhf", "arena")


def pairs(log: Log, **rules: Any) -> list[tuple[str, str]]:
    """Chosen and rejected texts."""
    made = exported(log.records, "dpo", Rules(**rules))
    return [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for _, row in made]


def labels(log: Log, **rules: Any) -> list[tuple[str, bool]]:
    """Texts and labels."""
    made = exported(log.records, "kto", Rules(**rules))
    return [(row["completion"][0]["content"], row["label"]) for _, row in made]


def dropped(log: Log, unit: str = "dpo", **rules: Any) -> dict[str, int]:
    """What was left out, by rule."""
    _, report = reported(log.records, unit, Rules(**rules))
    return dict(report.funnel.dropped + report.funnel.refused)


def test_two_thumbs_on_one_prompt_make_a_pair() -> None:
    """Up over down, whatever came first and in whichever chat; another prompt has no part in it."""
    log = Log()
    log.rate(ASK, answer("bad"), -1, "c1")
    log.rate([user("q")], answer("other"), 1, "c1")
    log.rate(ASK, answer("good"), 1, "c2")
    assert pairs(log) == [("good", "bad")]
    assert labels(log) == [("bad", False), ("other", True), ("good", True)]


def test_a_score_is_a_thumb() -> None:
    """6 and more is good; --min-rating asks for more."""
    log = Log()
    log.rate(ASK, answer("six"), score=6)
    log.rate(ASK, answer("nine"), score=9)
    log.rate(ASK, answer("five"), score=5)
    assert labels(log) == [("six", True), ("nine", True), ("five", False)]
    assert labels(log, least_score=7) == [("nine", True), ("five", False)]
    assert dropped(log, least_score=7) == {"rated too low": 1}


@pytest.mark.parametrize(
    ("winner", "left", "expected"),
    [("left", 0, ("a", "b")), ("left", 1, ("b", "a")), ("right", 0, ("b", "a")), ("right", 1, ("a", "b"))],
)
def test_the_winner_is_chosen(winner: str, left: Any, expected: tuple[str, str]) -> None:
    """Whichever side it was shown on."""
    log = Log()
    log.compare(ASK, answer("a"), answer("b"), winner, left=left)
    assert pairs(log) == [expected]
    assert sorted(labels(log)) == [("a", expected[0] == "a"), ("b", expected[0] == "b")]


def test_ties_make_no_pair_but_labels() -> None:
    """A tie says both are good, both bad that both are not; or nothing, if so wished."""
    log = Log()
    log.compare(ASK, answer("a"), answer("b"), "tie")
    log.compare([user("q")], answer("c"), answer("d"), "both_bad")
    assert pairs(log) == []
    assert labels(log) == [("a", True), ("b", True), ("c", False), ("d", False)]
    assert labels(log, ties="skip") == []


def test_a_ranking_is_one_group_with_one_vote() -> None:
    """All pairs but those of equal rank, together in the file, weights adding up to 1."""
    log = Log()
    log.rank(ASK, [answer(c) for c in "abcd"], (1, 2, 2, 3))
    log.compare([user("q")], answer("x"), answer("y"), "left")
    made = [row for _, row in exported(log.records, "dpo")]
    assert pairs(log)[:5] == [("a", "b"), ("a", "c"), ("a", "d"), ("b", "d"), ("c", "d")]
    assert [row["group"] for row in made] == ["event-0000"] * 5 + ["event-0001"]
    assert [row["weight"] for row in made] == [0.2] * 5 + [1.0]
    log = Log()
    log.rank(ASK, [answer(c) for c in "abcd"], (1, 2, 3, 4))
    assert {row["weight"] for _, row in exported(log.records, "dpo")} == {1 / 6}
    assert labels(log) == [("a", True), ("d", False)]


def test_an_edit_is_chosen_over_the_original() -> None:
    """And marked as one."""
    log = Log()
    log.correct(ASK, answer("5"), "4")
    ((_, row),) = exported(log.records, "dpo")
    assert (row["source"], pairs(log)) == ("edit", [("4", "5")])
    assert exported(log.records, "sft")[0][1]["messages"][-1]["content"] == "4"


def test_what_does_not_count_gives_nothing() -> None:
    """Superseded, edited and retracted judgements; AI judges unless wanted."""
    log = Log()
    target = Target(transcript="c1", messages=(1,))
    log.rate(ASK, answer("a"), -1, target=target)
    log.rate(ASK, answer("a"), 1, target=target)
    old = log.rate(ASK, answer("b"), 1)
    log.rate(ASK, answer("b"), -1, replaces=old)
    log.retract(log.rate(ASK, answer("c"), -1))
    log.compare([user("q")], answer("x"), answer("y"), "left", by="ai")
    assert pairs(log) == [("a", "b")]
    assert pairs(log, judges="any") == [("a", "b"), ("x", "y")]
    assert pairs(log, judges="ai") == [("x", "y")]


@pytest.mark.parametrize("reason", ["interrupted", "length", "error"])
def test_cut_answers_are_left_out(reason: str) -> None:
    """Unless they are asked for; stop strings end an answer as its author wished."""
    log = Log()
    log.compare(ASK, answer("a", reason="stop"), answer("b", reason=reason), "left")
    assert (pairs(log), labels(log)) == ([], [("a", True)])
    assert dropped(log) == {"answer cut short": 1}
    assert pairs(log, cut=True) == [("a", "b")]


CAT, DOG = Picture("c" * 64, "cat.png"), Picture("d" * 64, "dog.png")


def pictured() -> Log:
    """Judgements of every kind about a picture, and one of the same words without it."""
    log = Log()
    ask = [user("p", CAT)]
    log.rate(ask, answer("good"), 1)
    log.rate(ask, answer("bad"), -1)
    log.compare(ask, answer("a"), answer("b"), "left")
    log.rank([*ask, answer("x"), user("And?")], [answer("c"), answer("d")], (1, 2))
    log.correct(ask, answer("e"), "f")
    log.rate(ASK, answer("blind"), -1)
    return log


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "raw"])
def test_words_are_not_taken_for_a_question_about_a_picture(name: str) -> None:
    """A format of words leaves out what was asked about pictures, wherever they are, and says so."""
    log = pictured()
    assert all("blind" in json.dumps(row) for _, row in exported(log.records, name, Rules()))
    wanted = {"arena": 1, "openwebui": 2}  # those of its kind
    assert dropped(log, name)["prompt has pictures"] == wanted.get(name, 5)


def test_raw_keeps_pictures() -> None:
    """Whole records are as the log holds them; where names are redacted, those of pictures are too."""
    log = pictured()
    assert [row["prompt"][0].get("pictures") for _, row in exported(log.records, "raw")] == [
        *[[{"sha256": CAT.sha256, "name": CAT.name}]] * 5,
        None,
    ]
    redacted = exported(log.records, "raw", patterns=("cat",))
    assert redacted[0][1]["prompt"][0]["pictures"] == [{"sha256": CAT.sha256, "name": "<REDACTED>.png"}]


def test_the_split_tells_pictures_apart() -> None:
    """The same words about other pictures are other prompts: none joins the others' side."""
    log = Log()
    for number in range(40):
        log.rate([user("p", Picture(f"{number:064}", "x"))], answer("a"), 1, f"c{number}")
    assert {side for side, _ in exported(log.records, "raw", split=DatasetSplit(0.5))} == {
        "train",
        "validation",
    }


def test_reasoning_is_dropped_kept_or_wrapped() -> None:
    """Wrapped as models write it; kept in the field that templates read; earlier turns never wrapped."""
    log = Log()
    log.rate([user("a"), answer("b", reasoning="r0"), user("c")], answer("d", reasoning="r1"), 1)
    said = {}
    for how in ("drop", "keep", "wrap"):
        ((_, row),) = exported(log.records, "kto", Rules(reasoning=how))
        said[how] = (row["prompt"][1], row["completion"][0])
    plain = {"role": "assistant", "content": "b"}
    assert said["drop"] == (plain, {"role": "assistant", "content": "d"})
    assert said["keep"] == (
        plain | {"reasoning_content": "r0"},
        {"role": "assistant", "content": "d", "reasoning_content": "r1"},
    )
    assert said["wrap"] == (plain, {"role": "assistant", "content": "<think>\nr1\n</think>\n\nd"})


def test_duplicates_contradictions_and_caps() -> None:
    """White space makes no difference; a majority wins; direct choices come before pairs of thumbs."""
    log = Log()
    for conversation in ("c1", "c2"):
        log.compare(ASK, answer("a"), answer("b "), "left", conversation)
    log.compare(ASK, answer(" a"), answer("b"), "right", "c3")
    log.compare(ASK, answer("x"), answer(" x"), "left")
    log.compare([user("q")], answer("c"), answer("d"), "left")
    log.compare([user("q")], answer("c"), answer("d"), "right", "c2")
    assert pairs(log) == [("a", "b ")]
    assert dropped(log) == {"equal answers": 1, "contradiction": 3, "duplicate": 1}
    assert pairs(log, contradictions="drop") == []
    assert len(pairs(log, contradictions="keep", duplicates=True)) == 5
    log = Log()
    log.rate(ASK, answer("u"), 1)
    for text in "vwxyz":
        log.rate(ASK, answer(text), -1)
    log.compare(ASK, answer("a"), answer("b"), "left")
    assert sorted(pairs(log, per_prompt=2)) == [("a", "b"), ("u", "v")]
    assert len(pairs(log, per_prompt=0)) == 6


def test_a_popular_prompt_does_not_fill_the_memory() -> None:
    """Pairs grow with the square of the ratings: only so many are made, and the others counted."""
    log = Log()
    for number in range(500):
        log.rate(ASK, answer(f"good {number}"), 1)
        log.rate(ASK, answer(f"bad {number}"), -1)
    assert len(pairs(log)) == 36
    assert len(pairs(log, per_prompt=0)) == 200 * 200
    assert dropped(log) == {"too many of one prompt": 500 * 500 - 36}


def test_filters() -> None:
    """By source, model, adapter, date, reason, tag and conversation."""
    log = sample()
    assert {row["source"] for _, row in exported(log.records, "kto", Rules(sources=("edit", "ranking")))} == {
        "edit",
        "ranking",
    }
    assert [t for t, _ in labels(log, models=("tuned",))] == ["What?"]
    assert [t for t, _ in labels(log, adapters=("ccc",))] == ["What?"]
    assert "What?" not in [t for t, _ in labels(log, adapters=("none",))]
    assert labels(log, reasons=("positive_attitude",)) == [("Hi there!", True)]
    assert labels(log, tags=("tone",)) == [("What?", False)]
    assert labels(log, conversations=("c4",), ties="skip") == []
    assert labels(log, until=START) == []
    assert labels(log, since=START) == labels(log)
    with pytest.raises(UsageError, match="source must be one of"):
        Rules(sources=("thumb",))


def test_a_damaged_line_costs_itself_only(tmp_path: Path) -> None:
    """It is counted and located; the rest is exported. Empty lines are no events."""
    lines = [*map(encode, sample().records)]
    lines[3:3] = [
        b'{"kind":"comparison"',
        b"\xff",
        b'{"kind":"poll","id":"x","time":"2026-01-01T00:00:00Z"}',
        b"[" * 5000,
    ]
    log = tmp_path / "feedback.jsonl"
    log.write_bytes(b"\n".join([*lines, b"", b"  "]) + b"\n")
    report = export(ExportOptions(log), None)
    assert report.funnel.not_live["damaged, or of a newer version"] == 4
    assert report.funnel.taken == 8
    assert [fault.line for fault in report.faults] == [4, 5, 6, 7]


@given(logs(), st.sampled_from(PLAIN), st.sampled_from(["majority", "drop", "keep"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_text_is_invented(log: Log, name: str, contradictions: Any, cut: bool) -> None:
    """Every text of a row stands in the log; judged answers are paired with the prompt they answer."""
    known: dict[str, set[str]] = defaultdict(set)
    texts = {"", "human", "gpt", "user", "assistant", "system"}
    for record in log.records:
        for said in answers_in(record):
            prompt = [(m.role, m.content) for m in record.prompt]  # type: ignore[union-attr]
            known[json.dumps(prompt)].add(said.content)
            texts |= {said.content, *(text for _, text in prompt)}
        if record.__struct_config__.tag == "correction":
            known[json.dumps([(m.role, m.content) for m in record.prompt])].add(record.edited)  # type: ignore[union-attr]
            texts.add(record.edited)  # type: ignore[union-attr]
    for _, row in exported(log.records, name, Rules(contradictions=contradictions, cut=cut, marks=False)):
        if name in ("dpo", "kto"):
            asked = known[json.dumps([(m["role"], m["content"]) for m in row["prompt"]])]
            for column in {"chosen", "rejected", "completion"} & set(row):
                assert row[column][0]["content"] in asked
        elif name == "hh-rlhf":
            assert all(any(row[side].endswith(f"Assistant: {text}") for text in texts) for side in row)
        elif name != "arena":
            assert _texts(row) <= texts


def _texts(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(
            *(_texts(item) for key, item in value.items() if key not in ("role", "from")), set()
        )
    if isinstance(value, list):
        return set().union(*map(_texts, value), set())
    return {value} if isinstance(value, str) else set()


@given(logs(), st.sampled_from(list(FORMATS)))
@settings(max_examples=40, deadline=None)
def test_the_funnel_adds_up(log: Log, name: str) -> None:
    """Every event and every candidate is accounted for."""
    rows, report = reported(log.records, name)
    funnel = report.funnel
    assert funnel.events == len(log.records)
    assert funnel.candidates - funnel.dropped.total() == funnel.rows.total() == len(rows)
    assert funnel.taken >= 0


def sides(log: Log, split: DatasetSplit, name: str = "kto") -> dict[str, set[str]]:
    """Prompt -> the splits it is in."""
    found: dict[str, set[str]] = defaultdict(set)
    for side, row in exported(log.records, name, Rules(judges="any", contradictions="keep"), split):
        key = prompt_key([PromptMessage(role=m["role"], content=m["content"]) for m in row["prompt"]])
        found[key].add(side)
    return found


@given(logs(), st.floats(0.1, 0.9), st.integers(0, 5), st.sampled_from(["kto", "dpo"]))
@settings(max_examples=60, deadline=None)
def test_no_prompt_is_on_both_sides(log: Log, share: float, seed: int, name: str) -> None:
    """Nor is a conversation."""
    split = DatasetSplit(share, seed)
    assert all(len(found) == 1 for found in sides(log, split, name).values())
    by_conversation: dict[str, set[str]] = defaultdict(set)
    for side, row in exported(log.records, "raw", Rules(judges="any"), split):
        transcript = row.get("target", {}).get("transcript", "arena:")
        if not transcript.startswith("arena:"):
            by_conversation[transcript].add(side)
    assert all(len(found) == 1 for found in by_conversation.values())


@given(logs(), logs(6))
@settings(max_examples=40, deadline=None)
def test_growth_moves_nothing(log: Log, more: Log) -> None:
    """What comes later, retractions too, leaves every prompt on its side."""
    split = DatasetSplit(0.5, 1)
    before = sides(log, split)
    grown = Log()
    grown.records = [*log.records]
    for record in more.records:
        import msgspec

        number = len(grown.records)
        grown.records.append(msgspec.structs.replace(record, id=f"event-{number:04}"))
    after = sides(grown, split)
    assert all(after[key] == found for key, found in before.items() if key in after)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_share_is_kept(share: float) -> None:
    """Over many conversations; another seed draws others."""
    log = Log()
    for number in range(1000):
        log.rate([user(f"p{number}")], answer("a"), 1, f"c{number}")
    drawn = [
        [side for side, _ in exported(log.records, "kto", split=DatasetSplit(share, seed))] for seed in (0, 1)
    ]
    assert all(abs(found.count("train") / 1000 - share) < 0.05 for found in drawn)
    assert drawn[0] != drawn[1]


@given(logs())
@settings(max_examples=20, deadline=None)
def test_the_same_log_gives_the_same_rows(log: Log) -> None:
    """In the same order."""
    assert exported(log.records, "dpo") == exported(log.records, "dpo")
