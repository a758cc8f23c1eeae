"""The chat in a real terminal: paste, Ctrl-C at each moment, editor, completion, resuming, dumb terminals."""

import re
import signal
from pathlib import Path

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.message import FinishReason, assistant, user
from chatcli.chat.transcript.reader import load
from chatcli.chat.transcript.writer import render
from chatcli.errors import ExitCode
from tests.program import Terminal, run

PASTE = "\x1b[200~{}\x1b[201~"


def ready(terminal: Terminal) -> str:
    """Wait for an empty prompt at the bottom."""
    return terminal.wait_for(lambda text: text.endswith("\n>"))


def messages(home: Path) -> list[str]:
    """What the only transcript says."""
    (file,) = (home / "transcripts").rglob("*.txt")
    return [m.content for m in load([file.read_bytes()]).conversation.messages()]


def leave(terminal: Terminal) -> None:
    """Ctrl-D, and the program ends well."""
    terminal.send("\x04")
    assert terminal.wait_for_exit() == ExitCode.OK


def test_a_paste_is_shown_whole_and_not_sent(home: Path) -> None:
    """Also when it ends with a newline, and when its first line is a command."""
    with Terminal(home, "-m", "scripted:") as t:
        ready(t)
        t.send(PASTE.format("/exit\r\nsecond line\r\n"))
        t.wait_for("  second line")
        assert "heard" not in t.scrollback
        t.send("third\r")
        t.wait_for("I heard: /exit")
        ready(t)
        leave(t)
    assert messages(home)[0] == "/exit\nsecond line\nthird"


@pytest.mark.parametrize(
    "text", ["word " * 200_000, "some words of a line\n" * 50_000], ids=["line", "lines"]
)
def test_a_megabyte_can_be_pasted_and_edited(home: Path, text: str) -> None:
    """It arrives whole, keys still act on it, and it can be thrown away."""
    with Terminal(home, "-m", "scripted:context=2000000") as t:
        ready(t)
        for at in range(0, len(payload := PASTE.format(text + "THE END").encode()), 4096):
            t.send(payload[at : at + 4096])
            t.drain()
        t.wait_for("THE END")
        t.send("!")
        t.wait_for("THE END!")
        t.send("\x03")
        t.wait_for(lambda shown: "THE END" not in t.text)
        t.send("hello\r")
        t.wait_for("I heard: hello")
        ready(t)
        leave(t)


def test_ctrl_c_while_typing_clears_the_line(home: Path) -> None:
    """And on an empty line it says how to leave, then leaves."""
    with Terminal(home, "-m", "scripted:") as t:
        ready(t)
        t.send("some words")
        t.wait_for("> some words")
        t.send("\x03")
        t.wait_for(lambda shown: shown.endswith("\n>"))
        t.send("\x03")
        t.wait_for("(Ctrl-D, /exit or another Ctrl-C leaves)")
        t.send("\x03")
        assert t.wait_for_exit() == ExitCode.OK


def test_ctrl_c_before_the_answer_gives_the_line_back(home: Path) -> None:
    """Stopped before the first word, the message stands in the line and can be sent again."""
    with Terminal(home, "-m", "scripted:delay=20") as t:
        ready(t)
        t.send("hello\r")
        t.wait_for(lambda shown: shown.count("hello") == 1 and not shown.endswith("hello"))
        t.send("\x03")
        t.wait_for(lambda shown: shown.count("> hello") == 2)
        assert "[stopped before the first word]" in t.scrollback
        t.send("\x03")
        ready(t)
        leave(t)


def test_ctrl_c_while_answering_keeps_what_came(home: Path) -> None:
    """The part is in the transcript, marked, and ``/continue`` makes it whole."""
    with Terminal(home, "-m", "scripted:delay=0.05") as t:
        ready(t)
        t.send("count to 60\r")
        t.wait_for("1 2 3 4 5")
        t.send("\x03")
        t.wait_for("stopped; what came is kept")
        ready(t)
        (file,) = (home / "transcripts").rglob("*.txt")
        part = load([file.read_bytes()]).conversation.messages()[-1]
        assert part.generation is not None
        assert part.generation.finish_reason is FinishReason.INTERRUPTED
        t.send("/continue\r")
        t.wait_for(lambda shown: "59 60" in " ".join(shown.split()))
        ready(t)
        leave(t)
    assert messages(home)[-1] == " ".join(map(str, range(1, 61)))


def test_a_signal_is_like_the_key(home: Path) -> None:
    """SIGINT from elsewhere stops an answer, and clears a line, and does not end the program."""
    with Terminal(home, "-m", "scripted:delay=0.05") as t:
        ready(t)
        t.send("count to 500\r")
        t.wait_for("1 2 3")
        t.signal(signal.SIGINT)
        t.wait_for("stopped")
        ready(t)
        leave(t)


def test_many_ctrl_c_in_a_row(home: Path) -> None:
    """Impatience ends nothing but the answer: no traceback, nothing lost."""
    with Terminal(home, "-m", "scripted:delay=0.05") as t:
        ready(t)
        t.send("count to 500\r")
        t.wait_for("1 2 3")
        for _ in range(3):
            t.signal(signal.SIGINT)
        t.wait_for("stopped")
        assert "Traceback" not in t.scrollback
        t.wait_for(lambda shown: bool(re.search(r"\n>$", shown)))
        t.send("\x04")
        t.wait_for_exit()
    assert messages(home)[-1].startswith("1 2 3")


def test_the_editor_takes_over_and_gives_back(home: Path, tmp_path: Path) -> None:
    """A real editor program writes the message; the prompt shows it, several lines and all."""
    script = tmp_path / "editor.sh"
    script.write_text('#!/bin/sh\nprintf "from the\\neditor" > "$1"\n')
    script.chmod(0o755)
    with Terminal(home, "-m", "scripted:", env={"EDITOR": str(script), "VISUAL": ""}) as t:
        ready(t)
        t.send("\x07")
        t.wait_for("> from the\n  editor")
        t.send("\r")
        t.wait_for("I heard: from the")
        ready(t)
        leave(t)
    assert messages(home)[0] == "from the\neditor"


def test_tab_completes(home: Path) -> None:
    """One candidate is filled in, several are listed."""
    with Terminal(home, "-m", "scripted:") as t:
        ready(t)
        t.send("/regene\t")
        t.wait_for("> /regenerate")
        t.send("\x03/set temp\t 0.5\r")
        t.wait_for("temperature is 0.5")
        ready(t)
        t.send("/sh\t")
        t.wait_for("> /show")
        t.send(" \t")
        t.wait_for("template")
        t.send("\x03\x03")
        t.wait_for(lambda shown: shown.endswith(">"))


def test_ctrl_r_finds_what_was_typed_in_another_session(home: Path) -> None:
    """The history lasts, is private, and ``--no-log`` leaves none."""
    with Terminal(home, "-m", "scripted:") as t:
        ready(t)
        t.send("find the needle\r")
        t.wait_for("I heard: find the needle")
        ready(t)
        leave(t)
    assert (home / "history").stat().st_mode & 0o777 == 0o600
    before = (home / "history").read_bytes()
    with Terminal(home, "-m", "scripted:", "-n") as t:
        ready(t)
        t.send("a secret\r")
        t.wait_for("I heard: a secret")
        ready(t)
        leave(t)
    assert (home / "history").read_bytes() == before
    with Terminal(home, "-m", "scripted:") as t:
        ready(t)
        t.send("\x12need")
        t.wait_for("find the needle")
        t.send("\r\r")
        t.wait_for("I heard: find the needle")
        ready(t)
        leave(t)


def test_vi_keys_are_a_setting(home: Path) -> None:
    """``keys = "vi"``: Escape leaves insertion, Enter sends."""
    (home / "config.toml").write_text('keys = "vi"\n')
    with Terminal(home, "-m", "scripted:") as t:
        ready(t)
        t.send("one two")
        t.wait_for("> one two")
        t.send("\x1b")
        t.send("0")
        t.send("x")
        t.wait_for("> ne two")
        t.send("\r")
        t.wait_for("I heard: ne two")
        ready(t)
        t.send("\x04")
        assert t.wait_for_exit() == ExitCode.OK


def test_a_conversation_goes_on(home: Path) -> None:
    """``-c`` and ``-r`` show where it stands; ``ask -c`` goes on with it too."""
    with Terminal(home, "-m", "scripted:", "-s", "Be kind.") as t:
        ready(t)
        t.send("one\r")
        t.wait_for("I heard: one")
        ready(t)
        leave(t)
    assert run(home, "ask", "-m", "scripted:", "-c", "two").code == 0
    (file,) = (home / "transcripts").rglob("*.txt")
    with Terminal(home, "-m", "scripted:", "-r", file.stem[-5:]) as t:
        t.wait_for("You said: two" if "You said: two" in file.read_text() else "two")
        ready(t)
        t.send("three\r")
        t.wait_for(lambda shown: shown.count("three") == 2)
        ready(t)
        leave(t)
    assert messages(home)[0] == "Be kind."
    assert messages(home)[1::2] == ["one", "two", "three"]


def test_files_of_the_command_line_go_into_the_first_message(home: Path, tmp_path: Path) -> None:
    """``-f`` in the chat and in ``ask``."""
    (tmp_path / "notes.txt").write_text("remember\n")
    with Terminal(home, "-m", "scripted:", "-f", "notes.txt", cwd=tmp_path) as t:
        t.wait_for("in your first message: notes.txt")
        ready(t)
        t.send("what?\r")
        t.wait_for("remember")
        ready(t)
        leave(t)
    assert messages(home)[0] == "what?\n\nFile notes.txt:\n```\nremember\n```"
    done = run(home, "ask", "-m", "scripted:", "-f", "notes.txt", "what?", stdin="piped", cwd=tmp_path)
    assert done.stdout.endswith("what?\n\npiped\n\nFile notes.txt:\n```\nremember\n```\n")
    done = run(home, "ask", "-f", "nothing.txt", "what?", cwd=tmp_path)
    assert done.code == ExitCode.USAGE
    assert "no such file: nothing.txt" in done.stderr


@pytest.mark.parametrize("size", [(20, 10), (40, 10)])
def test_a_narrow_terminal(home: Path, size: tuple[int, int]) -> None:
    """Everything still works where little fits."""
    with Terminal(home, "-m", "scripted:", size=size) as t:
        ready(t)
        t.send("a message that is longer than the screen is wide\r")
        t.wait_for(lambda shown: "I heard:" in shown)
        ready(t)
        t.send("/help\r")
        ready(t)
        t.send("/context\r")
        ready(t)
        leave(t)
    assert len(messages(home)) == 2


def test_a_dumb_terminal(home: Path) -> None:
    """``TERM=dumb``: no escape bytes but those of keys, and everything works."""
    with Terminal(home, "-m", "scripted:", env={"TERM": "dumb"}) as t:
        ready(t)
        t.send("hello\r")
        t.wait_for("I heard: hello")
        ready(t)
        t.send("/undo\r")
        t.wait_for("an empty line sends: hello")
        ready(t)
        t.send("\r")
        t.wait_for(lambda shown: "words were: hello" in shown)
        ready(t)
        t.send('"""one\rtwo"""\r')
        t.wait_for(lambda shown: shown.count("two") == 2)
        ready(t)
        t.send("\x03")
        t.wait_for("(Ctrl-D, /exit or another Ctrl-C leaves)")
        t.send("/help\r")
        t.wait_for("Ctrl-R")
        ready(t)
        leave(t)
        assert b"\x1b" not in t.raw
    assert messages(home)[::2] == ["hello", "one\ntwo"]


def test_the_first_run_says_what_the_bundled_model_is(home: Path) -> None:
    """Two lines: what it is, and which command fetches a real one."""
    with Terminal(home) as t:
        shown = t.wait_for("chatcli pull")
        assert "tiny model that comes with chatcli" in shown


def test_reasoning_is_folded_and_shown_again(home: Path) -> None:
    """Ctrl-O while it comes folds the rest; at the prompt it shows all of it, as ``/reasoning`` does."""
    script = Conversation()
    script.append(user("go"))
    script.append(assistant("The answer.", " ".join(f"thought{n}" for n in range(60))))
    (home / "script.txt").write_text("".join(render(script)))
    with Terminal(home, "-m", f"scripted:{home}/script.txt,delay=0.03") as t:
        ready(t)
        t.send("go\r")
        t.wait_for("thought5 ")
        t.send("\x0f")
        t.wait_for("words (Ctrl-O)")
        t.wait_for("60 words; /reasoning shows them\n\nThe answer.\n>")
        assert "thought59" not in t.scrollback
        t.send("\x0f")
        t.wait_for("thought59\n>")
        assert "thought6 thought7" in " ".join(t.scrollback.split())
        leave(t)


def test_the_model_writes_a_title_while_nobody_types(home: Path) -> None:
    """With ``titles = "model"``, some seconds after an answer; leaving does not wait for another."""
    (home / "config.toml").write_text('titles = "model"\n')
    with Terminal(home, "-m", "scripted:") as t:
        ready(t)
        t.send("hello\r")
        t.wait_for("I heard: hello\n>")
        (file,) = (home / "transcripts").rglob("*.txt")
        t.wait_for(lambda _: bool(load([file.read_bytes()]).conversation.title))
        t.send("/show info\r")
        t.wait_for("Give the conversation below")  # what this engine says is what it was asked
        ready(t)
        leave(t)
    assert run(home, "ask", "-o", "titles=both", "hi").code == ExitCode.USAGE


def test_what_is_typed_before_the_prompt_is_not_lost(home: Path) -> None:
    """Keys pressed while the program starts stand in the first prompt; Enter never becomes a line break."""
    with Terminal(home, "-m", "scripted:") as terminal:
        terminal.send("typed early\r")
        terminal.wait_for("\n> typed early")
        terminal.send("\r")
        terminal.wait_for("I heard: typed early\n>")
        leave(terminal)


def test_an_editor_of_lines_can_be_used_for_edit(home: Path, tmp_path: Path) -> None:
    """While ``/edit`` runs an editor the terminal echoes and takes whole lines, as anywhere else."""
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nprintf "new text: "\nread -r line\nprintf "%s" "$line" > "$1"\n')
    editor.chmod(0o700)
    with Terminal(home, "-m", "scripted:", env={"EDITOR": str(editor)}) as terminal:
        ready(terminal)
        terminal.send("first\r")
        terminal.wait_for("I heard: first\n>")
        terminal.send("/edit\r")
        terminal.wait_for("new text:")
        terminal.send("wrong\x7f\x7f\x7f\x7f\x7fsecond\r")
        terminal.wait_for("Your words were: second\n>")
        leave(terminal)


def test_ctrl_c_while_the_model_loads(fresh_home: Path) -> None:
    """The message comes back to the line, the model goes on loading, and the message can be sent again."""
    with Terminal(fresh_home, "-t", "0") as t:
        t.wait_for("\n>")
        t.send("Hello!\r")
        t.wait_for(lambda shown: "loading the model" in shown or "help you" in shown)
        t.send("\x03")
        t.wait_for(lambda shown: shown.endswith("\n>") or shown.count("> Hello!") == 2)
        t.send("\r")  # sends it, if it came back
        t.wait_for("help you")
        ready(t)
        leave(t)
    assert messages(fresh_home)[0] == "Hello!"
