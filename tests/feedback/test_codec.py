"""Records as lines: both ways without loss, faults that are located, and the published schema."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from chatcli.chat.message import Message, Picture, Role, assistant, user
from chatcli.feedback.answers import answer_of, generation_of, message_of, prompt_key, prompt_of
from chatcli.feedback.codec import NewerRecord, decode, encode, json_schema
from chatcli.feedback.records import Record, rating

from .golden import GOLDEN, golden_records
from .json_schema import faults
from .strategies import ANSWERS, PROMPTS, records

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "feedback.schema.json"
PLAIN: list[dict[str, Any]] = [json.loads(line) for line in GOLDEN.read_bytes().split(b"\n")[:-1]]
NEW = {"new": {"b": [1, None], "a": "\u2028"}, "extra": {"x": 1}}


@settings(max_examples=60, deadline=None)
@given(record=records())
def test_what_is_written_is_read(record: Record) -> None:
    """Every record, exactly; on one line; and it is valid by the published schema."""
    line = encode(record)
    assert b"\n" not in line
    assert decode(line) == record
    assert not list(faults(json.loads(line), json_schema(), json_schema()))


def unordered(schema: Any) -> Any:
    """The schema with sorted alternatives; their order means nothing and differs between msgspec versions."""
    if isinstance(schema, list):
        return [unordered(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: unordered(item) for name, item in schema.items()}
    return plain | {"anyOf": sorted(plain["anyOf"], key=json.dumps)} if "anyOf" in plain else plain


def test_the_published_schema_is_the_codes() -> None:
    """docs/feedback.schema.json; else run ``python -m docs.feedback_schema``."""
    published = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    assert unordered(published) == unordered(json_schema())


@pytest.mark.parametrize("kind", range(len(PLAIN)))
def test_unknown_fields_survive_everywhere(kind: int) -> None:
    """A field that a newer version added to any object comes back where it stood, even one named extra."""

    def widened(value: Any, at: str = "") -> Any:
        if isinstance(value, list):
            return [widened(item, at) for item in value]
        if not isinstance(value, dict):
            return value
        free = at in ("parameters", "versions")  # their names are data
        return {name: widened(item, name) for name, item in value.items()} | ({} if free else NEW)

    wide = widened(PLAIN[kind]) | {"schema": 2}
    record = decode(json.dumps(wide).encode())
    assert json.loads(encode(record)) == wide
    assert decode(encode(record)) == record
    assert not list(faults(wide, json_schema(), json_schema()))


def test_an_escaped_name_hides_nothing() -> None:
    """A field named extra survives however its name is written."""
    line = encode(golden_records()[0])[:-1] + b',"\\u0065xtra":{"thumb":5}}'
    assert json.loads(encode(decode(line))) == json.loads(line)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "score": ({"score": 11}, r"score: Expected int <= 10"),
    "no verdict": ({"thumb": None, "score": None}, "a thumb or a score"),
    "thumb": ({"thumb": 0}, "thumb: "),
    "no prompt": ({"prompt": []}, "prompt: .* length >= 1"),
    "role": ({"prompt": [{"content": "x"}]}, r"prompt\[0\]: .*role"),
    "answer": ({"answer": {"content": None}}, "answer.content: Expected str"),
    "time": ({"time": "yesterday"}, "time: "),
    "zone": ({"time": "2026-11-20T22:15:03"}, "time: "),
    "judge": ({"judge": {"by": "ai"}}, "judge: .*needs its model"),
    "kind": ({"kind": "thumb"}, "kind: unknown, 'thumb'; known are rating"),
    "kinds": ({"kind": ["rating"]}, "kind: unknown"),
    "no kind": ({"kind": None}, "kind: is missing"),
    "schema": ({"schema": 0}, "schema: Expected int >= 1"),
    "schema word": ({"schema": "1"}, "schema: Expected int"),
    "target": ({"target": {"transcript": "t", "messages": []}}, "target.messages: "),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named_and_located(name: str) -> None:
    """Where in the record, and what is expected; without the library's own signs."""
    change, wanted = FAULTS[name]
    line = json.dumps({**PLAIN[0], **change}).encode()
    with pytest.raises(ValueError, match=wanted) as caught:
        decode(line)
    assert "`" not in str(caught.value)
    assert not isinstance(caught.value, NewerRecord)
    if name != "judge" and name != "no verdict":  # rules between fields, which the schema does not say
        assert list(faults(json.loads(line), json_schema(), json_schema()))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"ranks": [1, 2]}, "4 answers have 2 ranks"),
        ({"ranks": [1, 2, 4, 4]}, "leave none out"),
        ({"ranks": [0, 1, 2, 3]}, "begin at 1"),
        ({"choices": [{"left": 0, "right": 4, "winner": "tie"}]}, "answers 0 and 4"),
        ({"choices": [{"left": -1, "right": 1, "winner": "tie"}]}, "choices.*left"),
        ({"answers": []}, "answers"),
    ],
)
def test_rankings_make_sense(change: dict[str, Any], wanted: str) -> None:
    """A rank for each answer, none left out; choices between answers that are there."""
    with pytest.raises(ValueError, match=wanted):
        decode(json.dumps({**PLAIN[2], **change}).encode())


def test_a_comparison_has_two_answers() -> None:
    """Not one, not three."""
    for answers in (PLAIN[1]["answers"][:1], PLAIN[1]["answers"] * 2):
        with pytest.raises(ValueError, match=r"answers: .*length 2"):
            decode(json.dumps({**PLAIN[1], "answers": answers}).encode())


def test_newer_records_are_not_damage() -> None:
    """What a newer version wrote is read as far as it can be; else it is said to be newer."""
    assert decode(json.dumps({**PLAIN[0], "schema": 7}).encode()).schema == 7
    for change in ({"kind": "score"}, {"answer": "text"}):
        with pytest.raises(NewerRecord, match=r"newer version \(schema 2"):
            decode(json.dumps({**PLAIN[0], **change, "schema": 2}).encode())


NO_RECORDS = [b"", b"[]", b"1", b'"x"', b"null", b"{", b"\xff", b'{"kind":"rating"}', b"[" * 99_999]


@pytest.mark.parametrize("line", NO_RECORDS, ids=lambda line: repr(line[:20]))
def test_lines_that_are_no_records_are_refused(line: bytes) -> None:
    """With the two exceptions that a reader of the log expects."""
    with pytest.raises((ValueError, RecursionError)):
        decode(line)


def test_lone_surrogates_become_what_the_model_saw() -> None:
    """Text that is no text is written as U+FFFD; two halves that make a pair are one character."""
    bad = "a\ud800b\udfff \ud83d\ude00"
    record = rating([user(bad)], assistant(bad, bad), thumb=1, comment=bad)
    read = decode(encode(record))
    good = "a\ufffdb\ufffd \U0001f600"
    assert read == decode(encode(rating([user(good)], assistant(good, good), thumb=1, comment=good,
                                        id=record.id, time=record.time)))  # fmt: skip
    assert prompt_key([user(bad)]) == prompt_key([user(good)])


@settings(max_examples=40, deadline=None)
@given(message=ANSWERS)
def test_provenance_comes_back_whole(message: Message) -> None:
    """What the chat knows of an answer is in its record: the message is made from it again."""
    answer = answer_of(message)
    assert generation_of(answer) == message.generation
    assert message_of(answer) == message


@settings(max_examples=30, deadline=None)
@given(messages=PROMPTS)
def test_a_prompt_key_is_of_roles_and_words(messages: list[Message]) -> None:
    """It is SHA-256 of a canonical JSON that any language can make; neither reasoning counts nor names."""
    import hashlib

    said = [[m.role.value, m.content, *(p.sha256 for p in m.pictures)] for m in messages]
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    key = prompt_key(messages)
    assert key == hashlib.sha256(text.encode()).hexdigest() == prompt_key(prompt_of(messages))
    others = [tuple(Picture(p.sha256, "other") for p in m.pictures) for m in messages]
    assert key == prompt_key(
        [Message(m.role, m.content, "other", pictures=o) for m, o in zip(messages, others, strict=True)]
    )
    assert key != prompt_key([*messages, user("")])
    assert prompt_key([Message(Role.USER, "ab")]) != prompt_key([user("a"), user("b")])


def test_pictures_tell_prompts_apart() -> None:
    """The same words about another picture, about none, or about two in another order: another question."""
    cat, dog = Picture("c" * 64, "cat.png"), Picture("d" * 64, "dog.png")
    asked = [(), (cat,), (dog,), (cat, dog), (dog, cat)]
    assert len({prompt_key([user("What is it?", *pictures)]) for pictures in asked}) == len(asked)
    apart = [[user("a", cat), user("b")], [user("a"), user("b", cat)], [user("a"), user("b"), user("c" * 64)]]
    assert len({prompt_key(messages) for messages in apart}) == len(apart)


def test_the_key_of_words_alone_stays() -> None:
    """Logs and datasets that were written before there were pictures have this key in them."""
    known = "c55e00f81bb3de09aebf2c874fe975135dbc2160984ab7d96b030292738d3f04"
    assert prompt_key([user("What is a mutex?")]) == known


def test_a_record_keeps_which_pictures_and_not_where() -> None:
    """Hash and name stand in the prompt's message; how to read the bytes does not."""
    picture = Picture("c" * 64, "cat.png", read=lambda: b"")
    record = rating([user("What is it?", picture)], assistant("A cat."), thumb=1)
    (message,) = json.loads(encode(record))["prompt"]
    assert message["pictures"] == [{"sha256": "c" * 64, "name": "cat.png"}]
    assert decode(encode(record)) == record
