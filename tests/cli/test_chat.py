"""The interactive chat in a real terminal, with the bundled model."""

import itertools
import signal
from pathlib import Path

from chatcli.chat.message import FinishReason, Role
from chatcli.chat.transcript.reader import load
from tests.program import Terminal, run

FIVE_TURNS = (
    ("Hello!", ""),
    ("What is an agent?", ""),
    ("And what is the action?", ""),
    ("What is the capital of France?", "Paris"),
    ("Thanks!", ""),
)


def messages(home: Path) -> list[tuple[str, str]]:
    """What the one transcript below ``home`` holds, as (role, content)."""
    (file,) = (home / "transcripts").rglob("*.txt")
    return [(m.role, m.content) for m in load([file.read_bytes()]).conversation.messages()]


def test_five_turns_with_the_bundled_model(home: Path) -> None:
    """A conversation of five turns is answered and kept as it happened."""
    with Terminal(home, "-t", "0") as terminal:
        for count, (question, answer) in enumerate(FIVE_TURNS, start=1):
            terminal.wait_for(lambda text, n=count: text.count("\n>") >= n)  # type: ignore[misc]
            terminal.send(question + "\r")
            terminal.wait_for(lambda text, n=count: text.count("\n>") > n)  # type: ignore[misc]
            assert answer in terminal.scrollback
        terminal.send("\x04")
        assert terminal.wait_for_exit() == 0
    kept = messages(home)
    assert [content for role, content in kept if role == Role.USER] == [q for q, _ in FIVE_TURNS]
    assert all(content for _, content in kept)


def test_only_the_new_message_is_decoded(home: Path) -> None:
    """From the second turn on, the whole former prompt and answer are reused."""
    with Terminal(home, "-t", "0") as terminal:
        for count, question in enumerate(("Hello!", "What is a policy?", "Thanks!"), start=1):
            terminal.wait_for(lambda text, n=count: text.count("\n>") >= n)  # type: ignore[misc]
            terminal.send(question + "\r")
        terminal.wait_for(lambda text: text.count("\n>") > 3)
        terminal.send("\x04")
        terminal.wait_for_exit()
    (file,) = (home / "transcripts").rglob("*.txt")
    generations = [m.generation for m in load([file.read_bytes()]).conversation.messages() if m.generation]
    for before, after in itertools.pairwise(generations):
        known = before.usage.prompt_tokens + before.usage.completion_tokens
        # the token that ended the last turn was sampled, but not decoded
        assert after.usage.cached_tokens >= known - 1
        assert after.usage.decoded_tokens < 20


def test_ctrl_c_keeps_the_part_that_came(home: Path) -> None:
    """Ctrl-C while answering stops the answer; its part is shown, kept, marked and followed by a prompt."""
    with Terminal(home, "-m", "scripted:delay=0.05") as terminal:
        terminal.wait_for("\n>")
        terminal.send("count to 500\r")
        terminal.wait_for("1 2 3")
        terminal.send("\x03")
        terminal.wait_for("stopped")
        terminal.send("and on\r")
        terminal.wait_for("words were: and on\n>")
        terminal.send("\x04")
        terminal.wait_for_exit()
    (file,) = (home / "transcripts").rglob("*.txt")
    first = load([file.read_bytes()]).conversation.messages()[1]
    assert first.content.startswith("1 2 3")
    assert first.generation is not None
    assert first.generation.finish_reason is FinishReason.INTERRUPTED


def test_the_prompt_is_there_before_the_model(home: Path) -> None:
    """A model that cannot be loaded shows a prompt first and its reason when something is sent."""
    broken = home / "broken.gguf"
    broken.write_bytes(b"<!DOCTYPE html><html>not found</html>")
    with Terminal(home, "-m", str(broken)) as terminal:
        terminal.wait_for("\n>")
        terminal.send("hi\r")
        text = terminal.wait_for("saved web page")
        assert "Traceback" not in text
        terminal.send("\x15\x04")
        assert terminal.wait_for_exit() in {0, 3}


def test_a_hangup_keeps_what_came(home: Path) -> None:
    """A closed terminal while answering loses nothing that was shown."""
    with Terminal(home, "-m", "scripted:delay=0.05") as terminal:
        terminal.wait_for("\n>")
        terminal.send("count to 500\r")
        terminal.wait_for("1 2 3")
        terminal.signal(signal.SIGHUP)
        terminal.wait_for_exit()
    kept = messages(home)
    assert kept[0] == (Role.USER, "count to 500")
    assert kept[1][1].startswith("1 2 3")


def test_doctor_tells_the_truth(home: Path) -> None:
    """``doctor`` names versions, CPU, back ends, paths and the probe's verdict."""
    done = run(home, "doctor")
    assert done.code == 0, done.stderr
    for word in (
        "llama-cpp-python",
        "cpu",
        "built with",
        "memory",
        "free disk",
        str(home),
        "first load",
        "ok",
    ):
        assert word in done.stdout
