"""/compare and /rank in a real terminal: blind, one key, unveiled afterwards; and what is kept."""

import re
from pathlib import Path

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.message import FinishReason, Role
from chatcli.chat.transcript.reader import load
from chatcli.errors import ExitCode
from chatcli.feedback.answers import generation_of
from chatcli.feedback.records import Comparison, Ranking
from tests.feedback.kept import kept_records
from tests.program import Terminal

QUESTION = "q"


def ready(terminal: Terminal) -> str:
    """Wait for an empty prompt at the bottom."""
    return terminal.wait_for(lambda text: text.endswith("\n>"))


def leave(terminal: Terminal) -> None:
    """Ctrl-D, and the program ends well."""
    terminal.send("\x04")
    assert terminal.wait_for_exit() == ExitCode.OK


def conversation(home: Path) -> Conversation:
    """The only transcript."""
    (file,) = (home / "transcripts").rglob("*.txt")
    return load([file.read_bytes()]).conversation


def script(folder: Path, name: str, *answers: str) -> str:
    """A model that answers ``QUESTION`` with these, as the seed has it."""
    file = folder / name
    exchange = "<user>{}</user>\n<lkjsxclm>{}</lkjsxclm>\n"
    file.write_text("".join(exchange.format(QUESTION, answer) for answer in answers), encoding="utf-8")
    return f"scripted:{file}"


def ask(terminal: Terminal, question: str = QUESTION) -> None:
    """Ask, and wait for the answer."""
    ready(terminal)
    terminal.send(question + "\r")
    terminal.wait_for(lambda text: text.count("\n>") > 1 and text.endswith("\n>"))


@pytest.mark.parametrize(("key", "winner"), [("\x1b[D", "left"), ("2", "right"), ("b", "both_bad")])
def test_one_key_decides(home: Path, tmp_path: Path, key: str, winner: str) -> None:
    """The record says what was where; the chat goes on from the winner, or from where it was."""
    own, other = script(tmp_path, "one.txt", "own words"), script(tmp_path, "two.txt", "other words")
    with Terminal(home, "-m", own) as t:
        ask(t)
        t.send(f"/compare {other}\r")
        t.wait_for("s skip")
        t.send(key)
        t.wait_for("/siblings has all answers")
        shown = ready(t)
        leave(t)
    (record,) = kept_records(home)
    assert isinstance(record, Comparison)
    assert (record.winner, record.blind, record.origin) == (winner, True, "chat")
    texts = [answer.content for answer in record.answers]
    assert texts == ["own words", "other words"]
    left, right = texts[record.left], texts[1 - record.left]
    assert re.search(rf"\n{left} +│ {right}\n", shown)
    for side, text in (("left", left), ("right", right)):
        name = "one.txt" if text == "own words" else "two.txt"
        said = re.sub(r"\s", "", shown)
        assert re.search(rf"{'>' if winner == side else ''}{side}:scripted:\S*{name}", said)
    kept = conversation(home)
    assert record.target is not None
    assert record.target.messages == (3, 4)
    assert [kept.node(n).message.content for n in (3, 4)] == texts
    assert [generation_of(a) for a in record.answers] == [kept.node(n).message.generation for n in (3, 4)]
    expected = {"left": left, "right": right}.get(winner)
    assert kept.head == (2 if expected is None else 3 + texts.index(expected))
    assert {n.parent for n in kept.nodes if n.message.role is Role.ASSISTANT} == {1}


def test_who_was_asked_to_reason_is_told(home: Path, tmp_path: Path) -> None:
    """Two answers are told apart by it, and the records keep it."""
    with Terminal(home, "-m", script(tmp_path, "one.txt", "own words"), size=(100, 30)) as t:
        ask(t)
        t.send(f"/compare {script(tmp_path, 'two.txt', 'other words')} think=true\r")
        t.wait_for("s skip")
        t.send("1")
        t.wait_for("/siblings has all answers")
        shown = re.sub(r"\s", "", ready(t))
        leave(t)
    assert sorted(re.findall(r"·thinking(\w+),seed", shown)) == ["True", "default"]
    (record,) = kept_records(home)
    assert isinstance(record, Comparison)
    made = [generation_of(answer) for answer in record.answers]
    assert [g.thinking for g in made if g is not None] == [None, True]


def test_skipping_records_nothing(home: Path, tmp_path: Path) -> None:
    """Who is who is said all the same."""
    with Terminal(home, "-m", script(tmp_path, "one.txt", "own words")) as t:
        ask(t)
        t.send(f"/compare {script(tmp_path, 'two.txt', 'other words')}\r")
        t.wait_for("s skip")
        t.send("s")
        t.wait_for("not judged; the chat goes on from before")
        ready(t)
        leave(t)
    assert kept_records(home) == []
    assert conversation(home).head == 2


@pytest.mark.parametrize("size", [(100, 30), (40, 10)], ids=["wide", "narrow"])
def test_nothing_tells_who_is_who_before_the_vote(home: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    """The bundled model against a script: no name, parameter or speed in what is printed, nor a title."""
    with Terminal(home, "-t", "0", size=size) as t:
        ask(t, "What is the capital of France?")
        t.send(f"/compare {script(tmp_path, 'hidden.txt')}\r")
        t.wait_for(lambda text: "hidden.txt" in re.sub(r"\s", "", text))
        t.wait_for("1 (left)")
        start = len(t.raw)
        t.wait_for(lambda text: "skip" in text.rpartition("2 (right)")[2])
        printed = t.raw[start:].decode()
        t.send("t")
        t.wait_for(lambda text: "/siblings" in re.sub(r"\s", "", text).rpartition("atie")[2])
        ready(t)
        leave(t)
        assert "Paris" in t.scrollback
    for secret in ("lkjsxclm", "hidden", "scripted", "temperature", "tokens", "seed", "\x1b]", "%"):
        assert secret not in printed
    (record,) = kept_records(home)
    assert isinstance(record, Comparison)
    assert [a.model_name for a in record.answers] == ["lkjsxclm", "scripted:hidden.txt"]


def test_sides_are_drawn_anew_each_time(home: Path, tmp_path: Path) -> None:
    """In 12 comparisons both sides come up; each record says which."""
    with Terminal(home, "-m", script(tmp_path, "one.txt", "own words"), size=(80, 100)) as t:
        ask(t)
        other = script(tmp_path, "two.txt", "other words")
        for count in range(1, 13):
            t.send(f"/compare {other}\r")
            t.wait_for(lambda text, n=count: text.count("1 (left)") == n and "skip" in text)  # type: ignore[misc]
            t.send("t")
            t.wait_for(lambda text, n=count: text.count("a tie") == n and text.endswith("\n>"))  # type: ignore[misc]
        rows = re.findall(r"\n(own|other) words +│ (?:own|other) words", t.scrollback)
        leave(t)
    records = [r for r in kept_records(home) if isinstance(r, Comparison)]
    assert len(records) == 12
    assert {r.left for r in records} == {0, 1}
    assert rows == [("own", "other")[r.left] for r in records]


def test_the_same_model_answers_twice_and_both_grow(home: Path) -> None:
    """Without arguments; the seeds differ; while one is being written the other is too."""
    with Terminal(home, "-m", "scripted:delay=0.02") as t:
        ask(t, "count to 40")
        t.send("/compare\r")
        t.wait_for(lambda text: re.search(r"\n1 2 3 4[ \d]*│ 1 2 3 4", text) is not None)
        assert "40" not in t.text.rpartition("1 (left)")[2]
        t.wait_for("both answers are the same")
        ready(t)
        leave(t)
    first, second, third = (n for n in conversation(home).nodes if n.message.role is Role.ASSISTANT)
    assert second.message.content == third.message.content == first.message.content
    seeds = {n.message.generation.parameters.seed for n in (second, third) if n.message.generation}
    assert len(seeds) == 2
    assert conversation(home).head == first.id


def test_ctrl_c_while_they_are_written_keeps_what_came(home: Path) -> None:
    """The chat is where it was, both parts are in the tree, marked interrupted, and the chat goes on."""
    with Terminal(home, "-m", "scripted:delay=0.05") as t:
        ask(t, "count to 9")
        t.send("/compare temperature=1\r")
        t.wait_for("│ 1 2")
        t.send("\x03")
        t.wait_for("stopped; the chat goes on from before")
        ready(t)
        assert "better?" not in t.scrollback
        t.send("hello\r")
        t.wait_for(lambda text: "hello" in text.rpartition("> hello")[2] and text.endswith("\n>"))
        leave(t)
    kept = conversation(home)
    parts = [n for n in kept.siblings(2) if n.id != 2]
    assert len(parts) == 2
    for part in parts:
        assert part.message.generation is not None
        assert part.message.generation.finish_reason is FinishReason.INTERRUPTED
        assert part.message.content.startswith("1 2")
    assert [m.content for m in kept.messages()][:3] == ["count to 9", "1 2 3 4 5 6 7 8 9", "hello"]
    assert kept_records(home) == []


def test_ctrl_c_at_the_question_judges_nothing(home: Path, tmp_path: Path) -> None:
    """Both answers are kept."""
    with Terminal(home, "-m", script(tmp_path, "one.txt", "own words")) as t:
        ask(t)
        t.send(f"/compare {script(tmp_path, 'two.txt', 'other words')}\r")
        t.wait_for("s skip")
        t.send("\x03")
        t.wait_for("not judged")
        ready(t)
        leave(t)
    assert len(conversation(home).siblings(2)) == 3
    assert (conversation(home).head, kept_records(home)) == (2, [])


def test_what_is_typed_meanwhile_is_not_a_vote(home: Path, tmp_path: Path) -> None:
    """A sentence waits at the next prompt; one impatient key is dropped."""
    own, other = (script(tmp_path, f"{n}.txt", f"{n} " * 15) + ",delay=0.05" for n in ("one", "two"))
    with Terminal(home, "-m", own) as t:
        ask(t)
        for count, (typed, draft) in enumerate((("but tell me more", "but tell me more"), ("b", "")), 1):
            t.send(f"/compare {other}\r")
            t.wait_for(lambda text, n=count: text.count("1 (left)") == n)  # type: ignore[misc]
            t.send(typed)
            t.wait_for(lambda text, n=count: "s skip" in text and text.count("2 (right)") == n)  # type: ignore[misc]
            t.send("1")
            t.wait_for(lambda text, d=draft: text.endswith(f"\n> {d}".rstrip()))  # type: ignore[misc]
            t.send("\x15")
            ready(t)
        leave(t)
    assert [r.winner for r in kept_records(home) if isinstance(r, Comparison)] == ["left", "left"]


def test_what_cannot_be_compared_or_ranked_is_one_line(home: Path) -> None:
    """And the chat is as it was."""
    with Terminal(home, "-m", "scripted:", size=(160, 60)) as t:
        ask(t)
        for command, said in (
            ("/compare no-such-model", "no model"),
            ("/compare temprature=1", "did you mean temperature"),
            ("/compare scripted:/no/such/script", "no script at"),
            ("/compare '", "into quotes"),
            ("/rank", "3 to 9"),
            ("/rank 2", "3 to 9"),
            ("/rank 10", "3 to 9"),
        ):
            t.send(command + "\r")
            t.wait_for(lambda text, c=command, s=said: s in text.rpartition(f"> {c}")[2])  # type: ignore[misc]
            ready(t)
        leave(t)
    assert (conversation(home).head, kept_records(home)) == (2, [])


def test_nothing_said_nothing_to_compare(home: Path) -> None:
    """One line says to send something first."""
    with Terminal(home, "-m", "scripted:") as t:
        ready(t)
        t.send("/compare\r")
        t.wait_for("send one first")
        ready(t)
        leave(t)


def test_ranking_asks_little_and_keeps_the_order(home: Path, tmp_path: Path) -> None:
    """Five answers, at most seven questions, one of them taken back; the chat goes on from the best."""
    answers = [f"answer {n}" for n in range(1, 10)]
    with Terminal(home, "-m", script(tmp_path, "s.txt", *answers), size=(80, 60)) as t:
        ask(t)
        t.send("/rank 5\r")
        events: list[str] = []
        while True:
            count = len(events)
            t.wait_for(lambda text, n=count: text.count("1 (left)") > n or "all)\n>" in text)  # type: ignore[misc]
            if t.text.endswith("\n>"):
                break
            t.wait_for("which is better?")
            left, right = re.findall(r"answer (\d) +│ answer (\d)", t.text)[-1]
            events.append("u" if len(events) == 1 and "undo" in t.text else "1" if left < right else "\x1b[C")
            t.send(events[-1])
        leave(t)
    (record,) = kept_records(home)
    assert isinstance(record, Ranking)
    assert len(record.answers) == 5
    assert len(record.choices) == len(events) - 2 * events.count("u") <= 7
    contents = [a.content for a in record.answers]
    order = sorted(set(contents))
    assert [order[rank - 1] for rank in record.ranks] == contents
    for choice in record.choices:
        better = contents[choice.left] < contents[choice.right]
        assert choice.winner == ("left" if better else "right")
    kept = conversation(home)
    assert kept.head is not None
    assert kept.node(kept.head).message.content == order[0]


def test_without_a_log_the_choice_is_not_kept_and_that_is_said(home: Path, tmp_path: Path) -> None:
    """--no-log leaves nothing on disk."""
    with Terminal(home, "--no-log", "-m", script(tmp_path, "one.txt", "own words"), size=(120, 24)) as t:
        ask(t)
        t.send(f"/compare {script(tmp_path, 'two.txt', 'other words')}\r")
        t.wait_for("s skip")
        t.send("1")
        t.wait_for("not saved, because of --no-log")
        ready(t)
        leave(t)
    assert not (home / "feedback.jsonl").exists()


def test_on_a_dumb_terminal_too(home: Path, tmp_path: Path) -> None:
    """Whole lines, one answer after the other, the same keys, no escape bytes."""
    with Terminal(home, "-m", script(tmp_path, "one.txt", "own words"), env={"TERM": "dumb"}) as t:
        t.wait_for(lambda text: text.endswith("\n>"))
        t.send(QUESTION + "\r")
        t.wait_for(lambda text: text.endswith("\n>") and "own words" in text)
        t.send(f"/compare {script(tmp_path, 'two.txt', 'other words')}\r")
        t.wait_for("s skip")
        t.send("2")
        t.wait_for("/siblings has all answers")
        t.wait_for(lambda text: text.endswith("\n>"))
        leave(t)
        assert b"\x1b" not in t.raw
    assert [r.winner for r in kept_records(home) if isinstance(r, Comparison)] == ["right"]
