"""chatcli rate: past answers one by one with single keys, and the last one from a script."""

from pathlib import Path

import pytest

from chatcli.errors import ExitCode
from chatcli.feedback.records import Rating, Record, Retraction
from tests.feedback.kept import kept_records
from tests.program import Terminal, run

UP, DOWN, LEFT, RIGHT = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C"


def ask(home: Path, *questions: str) -> None:
    """A conversation of its own for each question."""
    for question in questions:
        assert run(home, "-m", "scripted:", "ask", question).code == 0


def ratings(home: Path) -> list[Rating]:
    """The ratings in the log."""
    return [record for record in kept_records(home) if isinstance(record, Rating)]


def about(record: Record) -> str:
    """The question whose answer was rated."""
    assert isinstance(record, Rating)
    return record.prompt[-1].content


class Rated:
    """``chatcli rate`` in a terminal; each key waits for what it shows."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def press(self, key: str, wanted: str) -> None:
        """Press a key, wait until ``wanted`` stands there once more and keys are asked for again."""
        before = self.terminal.scrollback.count(wanted)
        self.terminal.send(key)
        self.terminal.wait_for(lambda text: text.count(wanted) > before and text.endswith("quit"))

    def leave(self, key: str = "q") -> str:
        """Leave; returns everything printed."""
        self.terminal.send(key)
        assert self.terminal.wait_for_exit() == ExitCode.OK
        return self.terminal.scrollback


def test_every_key(home: Path) -> None:
    """Good, bad, scores, reasons, a comment, taking back, back and forth; each is a record at once."""
    ask(home, "first", "second")
    with Terminal(home, "rate", size=(200, 50)) as t:
        t.wait_for(lambda text: text.endswith("quit"))
        session = Rated(t)
        assert "> second" in t.scrollback
        session.press(UP, "(good)")
        session.press("9", "(good 9/10)")
        t.send("r")
        t.wait_for("Reasons (none)")
        t.send("1")
        t.wait_for("Reasons (accurate)")
        t.send("6")
        t.wait_for("Reasons (accurate, thorough)")
        t.send("1")
        t.wait_for("Reasons (thorough)")
        session.press("\r", "(good 9/10, thorough)")
        t.send("c")
        t.wait_for("comment:")
        t.send("so good")
        session.press("\r", '"so good")')
        session.press("n", "> first")
        session.press(DOWN, "(bad)")
        session.press("0", "(10/10)")
        session.press("u", "(no longer rated; it was 10/10)")
        session.press(LEFT, "> second")
        session.press(DOWN, "(bad)")
        assert "1 answer rated" in session.leave()
    records = kept_records(home)
    said = [(about(r), r.thumb, r.score, r.reasons, r.comment) for r in records if isinstance(r, Rating)]
    thorough = ("thorough_explanation",)
    assert said == [
        ("second", 1, None, (), None),
        ("second", 1, 9, (), None),
        ("second", 1, 9, thorough, None),
        ("second", 1, 9, thorough, "so good"),
        ("first", -1, None, (), None),
        ("first", None, 10, (), None),
        ("second", -1, None, (), None),
    ]
    assert [type(r) for r in records].count(Retraction) == 1
    assert {r.origin for r in ratings(home)} == {"rate"}
    assert all(r.guideline for r in ratings(home))


def test_what_is_not_rated_comes_first_and_the_next_run_goes_on(home: Path) -> None:
    """Newest conversation first; after the unrated ones the rated ones, and then the end."""
    ask(home, "first", "second", "third")
    assert run(home, "rate", "--last", "good").code == 0
    with Terminal(home, "rate", size=(200, 50)) as t:
        t.wait_for(lambda text: text.endswith("quit"))
        assert "> second" in t.scrollback
        assert "third" not in t.scrollback
        Rated(t).press("3", "(3/10)")
        Rated(t).leave()
    with Terminal(home, "rate", size=(200, 50)) as t:
        t.wait_for(lambda text: text.endswith("quit"))
        assert "> first" in t.scrollback
        Rated(t).press("n", "> third")
        Rated(t).press(RIGHT, "> second")
        assert "0 answers rated" in Rated(t).leave("n")
    assert [about(record) for record in ratings(home)] == ["third", "second"]


def test_one_conversation_only(home: Path) -> None:
    """All of its answers, also those on other branches."""
    with Terminal(home, "-m", "scripted:") as t:
        t.wait_for(lambda text: text.endswith("\n>"))
        for line, wanted in (
            ("one", "one"),
            ("/regen", "all are kept"),
            ("/rename mine", "the title is now"),
        ):
            t.send(line + "\r")
            t.wait_for(lambda text, w=wanted: text.count(w) > (w == "one") and text.endswith("\n>"))  # type: ignore[misc]
        t.send("\x04")
        assert t.wait_for_exit() == ExitCode.OK
    ask(home, "another")
    with Terminal(home, "rate", "mine", size=(200, 50)) as t:
        t.wait_for(lambda text: text.endswith("quit"))
        Rated(t).press(UP, "(good)")
        Rated(t).press("n", "one")
        Rated(t).press(DOWN, "(bad)")
        shown = Rated(t).leave("n")
    assert "another" not in shown
    first, second = ratings(home)
    assert (first.thumb, second.thumb) == (1, -1)
    assert first.answer.content != second.answer.content


def test_ctrl_c_leaves_and_keeps(home: Path) -> None:
    """What was rated stays; the terminal is as it was."""
    ask(home, "first")
    with Terminal(home, "rate", size=(200, 50)) as t:
        t.wait_for(lambda text: text.endswith("quit"))
        Rated(t).press(UP, "(good)")
        assert "1 answer rated" in Rated(t).leave("\x03")
    assert len(ratings(home)) == 1


def test_the_last_answer_from_a_script(home: Path) -> None:
    """Says on stderr what it judged; again in the same sense adds, the opposite replaces."""
    ask(home, "first", "second question")
    done = run(home, "rate", "--last", "good", "accurate")
    assert (done.code, done.stdout) == (0, "")
    assert "good, accurate: the answer to 'second question' in 2" in done.stderr
    assert run(home, "rate", "--last", "8", "nice", "to", "read").code == 0
    assert run(home, "rate", "--last", "bad", "too long").code == 0
    said = [(about(r), r.thumb, r.score, r.reasons, r.comment) for r in ratings(home)]
    assert said == [
        ("second question", 1, None, ("accurate_information",), None),
        ("second question", 1, 8, ("other",), "nice to read"),
        ("second question", -1, None, ("too_verbose",), None),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--last"], 2, "needs a rating"),
        (["--last", "11"], 2, "good, bad or 1 to 10"),
        (["--last", "0"], 2, "good, bad or 1 to 10"),
        (["--last", "good", "too long"], 2, "reason for bad answers"),
        (["--last", "good"], 2, "no conversation yet"),
        (["a", "b"], 2, "one conversation"),
        ([], 2, "needs a terminal"),
    ],
)
def test_wrong_calls_are_one_line(home: Path, arguments: list[str], code: int, said: str) -> None:
    """And nothing is recorded."""
    if said != "no conversation yet":
        ask(home, "first")
    done = run(home, "rate", *arguments)
    assert (done.code, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert kept_records(home) == []


def test_nothing_is_rated_that_is_not_to_be_kept(home: Path) -> None:
    """--no-log means that nothing is written."""
    ask(home, "first")
    done = run(home, "--no-log", "rate", "--last", "good")
    assert done.code == ExitCode.USAGE
    assert kept_records(home) == []


def test_no_answers_no_questions(home: Path) -> None:
    """An empty folder is no error."""
    with Terminal(home, "rate") as t:
        assert t.wait_for_exit() == ExitCode.OK
        assert "no answer to rate yet" in t.scrollback
