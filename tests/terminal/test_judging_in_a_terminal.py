"""Judging in a real terminal: the keys, the bottom line, a full disk, another day."""

import re
from pathlib import Path

from chatcli.errors import ExitCode
from chatcli.feedback.records import Rating
from chatcli.storage.feedback.log import FeedbackLog
from tests.program import Terminal

F2, F3, ALT_UP = "\x1bOQ", "\x1bOR", "\x1b[1;3A"


def ratings(home: Path) -> list[tuple[int | None, str]]:
    """Thumb and model of every record."""
    found = FeedbackLog(home / "feedback.jsonl").read()
    return [(r.thumb, r.answer.model_name or "") for r in found if isinstance(r, Rating)]


class Chat(Terminal):
    """A chat in a terminal that says where its cursor is, so that the bottom line is drawn."""

    def __init__(self, home: Path, *arguments: str) -> None:
        super().__init__(home, *arguments, env={"PROMPT_TOOLKIT_NO_CPR": "0"})
        self._asked = 0
        self.at_bottom("context")

    def _read(self, seconds: float) -> bool:
        alive = super()._read(seconds)
        asked = self.raw.count(b"\x1b[6n")
        if alive and asked > self._asked:
            self._asked = asked
            self.send(f"\x1b[{self.screen.cursor.y + 1};{self.screen.cursor.x + 1}R")
        return alive

    def at_bottom(self, wanted: str) -> None:
        """Wait until the bottom line ends so, or holds it."""
        self.wait_for(lambda _: wanted in (self.text.splitlines() or [""])[-1], patience=20)

    def say(self, text: str) -> None:
        """Send a message and wait for the next prompt."""
        self.send(text + "\r")
        self.wait_for(f": {text}\n", patience=20)
        self.at_bottom("F2 good F3 bad")


def leave(terminal: Terminal) -> None:
    """Ctrl-D, and the program ends well."""
    terminal.send("\x04")
    assert terminal.wait_for_exit() == ExitCode.OK


def test_one_key_after_an_answer(home: Path) -> None:
    """The bottom line names the keys; one is pressed in the middle of typing; the line stays as it is."""
    with Chat(home, "-m", "scripted:") as t:
        assert "F2" not in t.text.splitlines()[-1]
        t.say("hello")
        t.send("what I was ty")
        t.wait_for("> what I was ty")
        t.send(F3)
        t.wait_for("(message 2: bad)")
        t.at_bottom("· bad")
        t.send("ping")
        text = t.wait_for("> what I was typing")
        assert text.index("message 2: bad") < text.index("what I was typing")
        assert text.count("> what I was") == 1
        t.send(f"{F2}\r")
        t.wait_for(": what I was typing")
        t.at_bottom("F2 good F3 bad")
        leave(t)
    assert ratings(home) == [(-1, "scripted:"), (1, "scripted:")]


def test_keys_in_quick_succession_take_nothing_from_the_line(home: Path) -> None:
    """Each is obeyed, and what is typed between them, Enter at last, is there whole."""
    text = "every key counts"
    with Chat(home, "-m", "scripted:") as t:
        t.say("hello")
        for number, character in enumerate(text):
            t.send(character)
            t.drain()
            t.send(F3 if number % 2 else F2)
        t.send("\r")
        t.wait_for(f": {text}")
        t.at_bottom("F2 good F3 bad")
        assert t.scrollback.count(f"> {text}") == 1
        leave(t)
    assert [thumb for thumb, _ in ratings(home)] == [1, -1] * (len(text) // 2)


def test_the_keys_are_settings(home: Path) -> None:
    """Alt with an arrow, or none at all; the bottom line says so."""
    (home / "config.toml").write_text('key_good = "alt-up"\nkey_bad = "none"\n')
    with Chat(home, "-m", "scripted:") as t:
        t.send("hello\r")
        t.at_bottom("· Alt-Up good")
        assert "bad" not in t.text.splitlines()[-1]
        t.send(F2 + ALT_UP)
        t.wait_for("(message 2: good)")
        leave(t)
    assert ratings(home) == [(1, "scripted:")]


def test_keys_while_it_answers_do_no_harm(home: Path) -> None:
    """There is nothing to judge yet; what is typed around them waits for the next prompt."""
    with Chat(home, "-m", "scripted:delay=0.2") as t:
        t.send("tell me many words please\r")
        t.wait_for("I heard")
        t.send(f"ne{F2}xt")
        t.wait_for("> next")
        t.send("\x03")
        leave(t)
    assert ratings(home) == []


def test_a_full_disk_does_not_stop_the_chat(home: Path) -> None:
    """What cannot be saved is said, waits, and is saved with the next judgement."""
    (home / "feedback.jsonl").symlink_to("/dev/full")
    with Chat(home, "-m", "scripted:") as t:
        t.say("one")
        t.send(F3)
        t.wait_for("the disk is full")
        t.wait_for("waits in memory")
        t.say("two")
        (home / "feedback.jsonl").unlink()
        t.send(F2)
        t.wait_for("(message 4: good)")
        leave(t)
    assert [thumb for thumb, _ in ratings(home)] == [-1, 1]


def test_what_cannot_be_saved_at_the_end_is_said(home: Path) -> None:
    """The last try fails too: one line, and an exit code that says so; the chat itself is kept."""
    (home / "feedback.jsonl").symlink_to("/dev/full")
    with Chat(home, "-m", "scripted:") as t:
        t.say("one")
        t.send(F3)
        t.wait_for("waits in memory")
        t.send("\x04")
        assert t.wait_for_exit() == ExitCode.STORAGE
        assert "chatcli: 1 judgement could not be saved" in " ".join(t.scrollback.split())
    assert len(list((home / "transcripts").rglob("*.txt"))) == 1


def test_without_a_log_no_judgement_is_kept(home: Path) -> None:
    """``--no-log``: it is said, and shows, and nothing is written."""
    with Chat(home, "-m", "scripted:", "--no-log") as t:
        t.say("one")
        t.send(F2)
        t.wait_for("(message 2: good; not saved, because of --no-log)")
        t.at_bottom("· good")
        leave(t)
    assert not (home / "feedback.jsonl").exists()
    assert not (home / "guidelines").exists()


def test_on_another_day(home: Path) -> None:
    """A chat that is resumed shows what was rated, and an old answer is judged with its own provenance."""
    with Chat(home, "-m", "scripted:") as t:
        t.say("one")
        t.send("/bad lazy\r")
        t.wait_for("message 2: bad, lazy")
        leave(t)
    (file,) = (home / "transcripts").rglob("*.txt")
    file.write_text(re.sub(r'started="[^"]+"', 'started="2020-01-01T00:00:00Z"', file.read_text()))
    with Chat(home, "-m", "scripted:context=2000", "--continue") as t:
        t.wait_for("(bad, lazy)")
        t.send("/good\r")
        t.wait_for("message 2: good")
        leave(t)
    assert ratings(home) == [(-1, "scripted:"), (1, "scripted:")]
