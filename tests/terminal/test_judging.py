"""Judging in the chat: commands and keys through the prompt; what is kept, what is said."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chatcli.chat.conversation import Node
from chatcli.chat.message import Role
from chatcli.chat.transcript.reader import load
from chatcli.feedback.answers import generation_of
from chatcli.feedback.reasons import DOWN, UP
from chatcli.feedback.records import Correction, Rating, Record, Retraction
from chatcli.files.record_log import DamagedLine
from chatcli.storage.feedback.guideline import DEFAULT, version_of
from chatcli.storage.feedback.log import FeedbackLog
from tests.feedback.json_schema import faults
from tests.program import ROOT
from tests.terminal.chatting import Chatting, chatting
from tests.terminal.test_commands import editor_that

SCHEMA = json.loads((ROOT / "docs" / "feedback.schema.json").read_bytes())
F2, ALT_DOWN = "\x1bOQ", "\x1b[1;3B"


@pytest.fixture
def c(home: Path) -> Iterator[Chatting]:
    """A chat in which nothing has been said."""
    with chatting(home) as chat:
        yield chat


def kept(c: Chatting) -> list[Record]:
    """The records, sound, allowed by the published schema, and equal to what the transcript holds."""
    if c.paths.feedback_log.exists():
        for line in c.paths.feedback_log.read_bytes().splitlines():
            assert list(faults(json.loads(line), SCHEMA, SCHEMA)) == []
    found = []
    for item in FeedbackLog(c.paths.feedback_log).read():
        assert not isinstance(item, DamagedLine)
        found.append(item)
        if isinstance(item, (Rating, Correction)):
            agrees_with_the_transcript(c, item)
    return found


def agrees_with_the_transcript(c: Chatting, record: Rating | Correction) -> None:
    """Prompt, answer and provenance of a record are those that the file holds."""
    assert record.target is not None
    (file,) = c.paths.transcripts.rglob(f"*{record.target.transcript}.txt")
    conversation = load([file.read_bytes()]).conversation
    node = conversation.node(int(record.target.messages[0]))
    prompt = conversation.prompt_messages(node.parent)
    assert [(m.role, m.content) for m in record.prompt] == [(m.role.value, m.content) for m in prompt]
    assert record.answer.content == node.message.content
    assert generation_of(record.answer) == node.message.generation
    assert node.message.generation is not None


def answers(c: Chatting) -> list[Node]:
    """The answers on the active path."""
    return [n for n in c.chat.session.conversation.path() if n.message.role is Role.ASSISTANT]


def ratings(c: Chatting) -> list[tuple[Any, ...]]:
    """Message, thumb, score, reasons and comment of every rating, oldest first."""
    return [
        (r.target.messages[0], r.thumb, r.score, r.reasons, r.comment)
        for r in kept(c)
        if isinstance(r, Rating) and r.target is not None
    ]


@pytest.mark.parametrize(
    ("typed", "thumb", "score", "reasons", "comment"),
    [
        ("/good", 1, None, (), None),
        ("/bad", -1, None, (), None),
        ("/+1", 1, None, (), None),
        ("/-1", -1, None, (), None),
        ("👍", 1, None, (), None),
        ("👎🏽", -1, None, (), None),
        ("/👍 accurate", 1, None, ("accurate_information",), None),
        ("/bad too_verbose", -1, None, ("too_verbose",), None),
        ("/bad too_v, being_lazy", -1, None, ("too_verbose", "being_lazy"), None),
        ("/bad it is about cats", -1, None, ("other",), "it is about cats"),
        ("/rate 8", None, 8, (), None),
        ("/rate 3/10 lazy", None, 3, ("being_lazy",), None),
        ("/rate good", 1, None, (), None),
        ("/rate 4 bad wrong", -1, None, ("not_factually_correct",), None),
        ("/rate 4 7 well put", None, 7, ("other",), "well put"),
    ],
)
def test_a_gesture_is_a_record(
    c: Chatting,
    typed: str,
    thumb: int | None,
    score: int | None,
    reasons: tuple[str, ...],
    comment: str | None,
) -> None:
    """The last answer is rated, whole and with its provenance; nothing of it goes to the model."""
    c.type("one", "two", typed)
    assert ratings(c) == [(answers(c)[-1].id, thumb, score, reasons, comment)]
    assert len(c.said) == 4


def test_an_older_answer_is_rated_by_its_number(c: Chatting) -> None:
    """The numbers are those of /context; a message of one's own is no answer."""
    c.type("one", "two", "/rate 2 bad", "/rate 2 9", "/unrate 2")
    first = answers(c)[0].id
    assert [r[0] for r in ratings(c)] == [first, first]
    assert "message 1 is not an answer" in c.type("/rate 1 bad")
    assert "no message 7" in c.type("/rate 7 bad")
    assert "message 2 is not rated" in c.type("/unrate 2")


@pytest.mark.parametrize("typed", ["/good", "/bad", "/rate 3", "/unrate", "/fix"])
def test_without_an_answer_there_is_nothing_to_judge(c: Chatting, typed: str) -> None:
    """One line says so."""
    assert "there is no answer yet" in c.type(typed)
    assert kept(c) == []


@pytest.mark.parametrize("typed", ["/rate", "/rate 11", "/rate 0", "/rate maybe", "/rate 99999"])
def test_what_is_no_rating_is_refused(c: Chatting, typed: str) -> None:
    """And nothing is kept."""
    c.type("one")
    assert "/rate needs" in c.type(typed)
    assert kept(c) == []


def test_a_reason_for_the_opposite_is_refused(c: Chatting) -> None:
    """``/good too_verbose`` is a slip of the hand."""
    c.type("one")
    assert "too_verbose is a reason for bad answers" in c.type("/good too_verbose")
    assert kept(c) == []


def test_the_same_again_adds_and_the_opposite_replaces(c: Chatting) -> None:
    """A thumb, then a score, then a reason are one opinion; the other thumb is a new one."""
    shown = c.type("one", "/good", "/rate 9", "/good thorough", "/good", "/bad", "/rate 2")
    assert [r[1:4] for r in ratings(c)] == [
        (1, None, ()),
        (1, 9, ()),
        (1, 9, ("thorough_explanation",)),
        (-1, None, ()),
        (-1, 2, ()),
    ]
    assert "is already rated good 9/10, thorough" in shown


def test_unrate_takes_back(c: Chatting) -> None:
    """The record stays, a retraction points at it, and the answer is unrated."""
    shown = c.type("one", "/bad lazy", "/unrate")
    rating, retraction = kept(c)
    assert isinstance(retraction, Retraction)
    assert retraction.retracts == rating.id
    assert "it was bad, lazy" in shown
    assert c.chat.rating_mark(answers(c)[-1].id) == ""


def test_ratings_stand_in_the_history(c: Chatting) -> None:
    """In the list, and below an answer that is shown in full."""
    c.type("one", "two", "/rate 2 3 lazy", "/good")
    shown = c.type("/history")
    assert re.search(r"2 │ answer .*3/10, lazy", shown)
    assert re.search(r"4 │ answer .*good", shown)
    assert "(3/10, lazy)" in c.type("/history 2")


def test_rating_the_new_answer_makes_a_pair(c: Chatting) -> None:
    """``/regen`` keeps both, says that a pair is near, and the rating says that it is there."""
    shown = c.type("one", "/bad", "/regen")
    assert "if this one is good, they make a pair" in shown
    shown = c.type("/good")
    assert "a pair with answer 1, which is bad" in shown
    one, two = kept(c)
    assert isinstance(one, Rating)
    assert isinstance(two, Rating)
    assert (one.prompt, one.good, two.good) == (two.prompt, False, True)
    assert "1 (bad)" in c.type("/siblings")


def test_what_was_rated_shows_after_resuming(home: Path) -> None:
    """In another run of the program, and /unrate works there too."""
    with chatting(home) as c:
        c.type("one", "/good accurate")
        name = c.chat.session.conversation.id
    (file,) = (home / "transcripts").rglob("*.txt")
    text = file.read_text()
    started = c.chat.session.conversation.started
    file.write_text(text.replace(f"{started:%Y-%m-%dT%H:%M:%S}", "2020-01-01T00:00:00"))
    with chatting(home) as c:
        assert "(good, accurate)" in c.type(f"/load {name}")
        assert "it was good, accurate" in c.type("/unrate")
        assert len(kept(c)) == 2


def test_fix_prefers_the_edited_text(home: Path, tmp_path: Path) -> None:
    """The correction names both; the chat goes on from the edited text; fixing that corrects the original."""
    editor = editor_that(tmp_path, 'printf "better $(wc -c < "$1")" > "$1"')
    with chatting(home, {"EDITOR": editor}) as c:
        shown = c.type("one", "/fix")
        assert "(corrected; the chat goes on from your text" in shown
        c.type("/fix", "two")
        one, two = kept(c)
        assert isinstance(one, Correction)
        assert isinstance(two, Correction)
        assert one.target is not None
        assert two.target is not None
        assert one.target.messages[0] == two.target.messages[0] == 2
        assert c.said[1] == two.edited != one.edited
        assert c.chat.rating_mark(2) == "corrected"
        assert "this text is yours" in c.type("/rate 2 good")
        assert "it was corrected" in c.type("/unrate 2")
        assert [type(record) for record in kept(c)] == [Correction, Correction, Retraction]
        assert c.chat.rating_mark(2) == ""
        assert "is not rated" in c.type("/unrate 2")


@pytest.mark.parametrize("edits", ["2", "1", "x", "9" * 5000])
def test_foreign_attributes_do_no_harm(home: Path, tmp_path: Path, edits: str) -> None:
    """An answer that says it edits itself, or what is no answer, is taken as one of its own."""
    text = f"""<session id="x"/><user id="1">q</user><a id="2" edits="{edits}" left_out="{edits}">a</a>
        <a id="3" parent="1" continues="{edits}">b</a>"""
    (home / "transcripts").mkdir()
    (home / "transcripts" / "foreign.txt").write_text(text)
    with chatting(home, {"EDITOR": editor_that(tmp_path, 'echo better > "$1"')}) as c:
        shown = c.type(
            "/load foreign", "/siblings", "/siblings 1", "/fix", "/siblings 1", "/rate 2 good", "/history"
        )
        assert "(corrected; the chat goes on from your text" in shown
        assert c.chat.judge.unsaved == 0
        records = list(FeedbackLog(c.paths.feedback_log).read())
        assert not [record for record in records if isinstance(record, DamagedLine)]
        assert [record.edited for record in records if isinstance(record, Correction)] == ["better"]


def test_ratings_are_found_by_searching(c: Chatting) -> None:
    """``/search rated:bad`` finds what was called so a moment ago, and no longer what was taken back."""
    c.type("about llamas", "/bad")
    assert "about llamas" in c.type("/search rated:bad")
    assert "nothing found" in c.type("/search rated:good", "/unrate", "/search rated:bad")


def test_a_greeting_answers_nothing(home: Path, tmp_path: Path) -> None:
    """A transcript that begins with an answer: there is no prompt to learn from, and nothing is kept."""
    (home / "transcripts").mkdir()
    (home / "transcripts" / "foreign.txt").write_text("<a>Hello, I am here.</a>")
    with chatting(home, {"EDITOR": editor_that(tmp_path, 'echo better > "$1"')}) as c:
        shown = c.type("/load foreign", "/good", "/fix", "/rate 1 3")
        assert shown.count("no message comes before this answer") == 3
        assert c.said == ["Hello, I am here."]
        assert kept(c) == []


def test_function_keys_work_with_the_keys_of_vi(home: Path) -> None:
    """In both modes; Escape and a key are two keys there, not Alt."""
    with chatting(home, vi=True) as c:
        shown = c.press(f"one\rtw{F2}o\x1b{ALT_DOWN}{F2}\x1b\r\x04")
        assert "message 2: good" in shown
        assert [r[1] for r in ratings(c)] == [1]
        assert c.said[2] == "two"


@pytest.mark.parametrize("script", ["true", ': > "$1"'])
def test_a_fix_that_changes_nothing_is_none(home: Path, tmp_path: Path, script: str) -> None:
    """Leaving the editor with the same text, or with none, keeps all as it is."""
    with chatting(home, {"EDITOR": editor_that(tmp_path, script)}) as c:
        c.type("one", "/fix")
        assert kept(c) == []
        assert len(c.said) == 2


def test_the_guidelines_are_shown_edited_and_recorded(home: Path, tmp_path: Path) -> None:
    """Each record names the version in force, and the text of every version is kept."""
    editor = editor_that(tmp_path, 'echo "Short is good." > "$1"')
    with chatting(home, {"EDITOR": editor}) as c:
        assert "What makes an answer good" in c.type("/guidelines")
        c.type("one", "/good", "/guidelines edit", "/bad")
        assert "Short is good." in c.type("/guidelines")
        one, two = kept(c)
        assert one.guideline == version_of(DEFAULT)
        assert two.guideline == version_of("Short is good.")
        texts = {version_of(f.read_text()) for f in c.paths.former_guidelines.iterdir()}
        assert texts == {one.guideline, two.guideline}
        assert c.paths.guideline.read_text() == "Short is good.\n"


def test_keys_judge_and_leave_the_line_as_it_is(c: Chatting) -> None:
    """In the middle of a word, and again at once; what is typed is sent whole."""
    shown = c.press(f"one\rtw{F2}o{ALT_DOWN} \x1b[D{F2}!\r\x04")
    assert c.said[2] == "two! "
    assert [r[1] for r in ratings(c)] == [1, -1, 1]
    assert {r[0] for r in ratings(c)} == {2}
    assert re.findall("message 2: (good|bad)", shown) == ["good", "bad", "good"]
    assert "there is no answer yet" in chat_without_answers(c)


def chat_without_answers(c: Chatting) -> str:
    """What a key says in a new chat."""
    c.type("/new")
    return c.press(f"{F2}\x04")


def test_a_key_before_leaving_at_once_is_kept(c: Chatting) -> None:
    """Nothing is lost when Ctrl-D follows in the same breath."""
    c.press(f"one\r{F2}\x04")
    assert len(kept(c)) == 1


def test_a_disk_that_refuses_does_not_stop_the_chat(c: Chatting) -> None:
    """It is said each time; the chat goes on; what waited is saved in order with the next judgement."""
    c.paths.feedback_log.mkdir(parents=True)
    shown = c.type("one", "/bad", "two", "/good", "/regen")
    assert shown.count("not saved yet: cannot open") == 2
    assert "2 judgements wait in memory" in shown
    assert "(message 4: good)" in shown
    assert len(c.said) == 4
    c.paths.feedback_log.rmdir()
    shown = c.type("/bad")
    assert "not saved" not in shown
    assert "a pair with answer 1, which is good" in shown
    assert [r[1] for r in ratings(c)] == [-1, 1, -1]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("/good a", UP), ("/bad ", DOWN), ("/rate 4 bad t", {**UP, **DOWN})],
)
def test_reasons_complete(c: Chatting, typed: str, offered: Mapping[str, str]) -> None:
    """Tab offers the vocabulary for the thumb."""
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    from chatcli.terminal.prompt.completion import CommandCompleter

    found = {o.text for o in CommandCompleter(c.chat).get_completions(Document(typed), CompleteEvent())}
    assert found == {reason for reason in offered if reason.startswith(typed.rpartition(" ")[2])}


def test_records_are_json_of_the_schema_version(c: Chatting) -> None:
    """A line a judgement, each an object that says which version of the format it is."""
    c.type("one", "/good", "/unrate")
    lines = c.paths.feedback_log.read_bytes().splitlines()
    assert [json.loads(line)["schema"] for line in lines] == [1, 1]
