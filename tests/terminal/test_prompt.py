"""The line editor: keys, history, suggestions, the editor."""

import stat
import threading
import time
from pathlib import Path

import pytest
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from chatcli.storage.input_history import LONGEST, InputHistory
from chatcli.terminal.prompt.history import SuggestRecent, TypedHistory
from chatcli.terminal.prompt.line_editor import LineEditor
from tests.terminal.chatting import Chatting, chatting

PASTE = "\x1b[200~{}\x1b[201~"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("one\ntwo\r", "one\ntwo"),  # Ctrl-J
        ("one\x1b\rtwo\r", "one\ntwo"),  # Alt-Enter
        ('"""one\rtwo"""\r', "one\ntwo"),
        ('"""\rone\r\rtwo\r"""\r', "one\n\ntwo"),
        (PASTE.format("one\r\ntwo\r\n") + "three\r", "one\ntwo\nthree"),
        (PASTE.format("/exit\n/bye") + "\r", "/exit\n/bye"),
        ("wrong\x03right\r", "right"),  # Ctrl-C clears the line
        ("x\x04\x1b[D\x04ok\r", "ok"),  # Ctrl-D on a line deletes
        ("é😀日本\r", "é😀日本"),
        ("\x00\x1c\x1e\x1f\x1b[99~\x1bOZ\x1b[1;9Zhm\r", None),
    ],
)
def test_keys(home: Path, keys: str, said: str | None) -> None:
    """What is typed is what is said; strange keys do no harm."""
    with chatting(home) as c:
        c.press(keys + "\x03\x04")
        assert said is None or c.said[:1] == [said]


def test_vi_keys(home: Path) -> None:
    """Escape leaves insertion, Enter sends from there too, Ctrl-J is a newline."""
    with chatting(home, vi=True) as c:
        c.press("one two\x1bbcwTHREE\x1b\r\x04")
        assert c.said[0] == "one THREE"
        c.press("a\nb\r\x04")
        assert c.said[2] == "a\nb"


def test_ctrl_c_twice_leaves(home: Path) -> None:
    """On an empty line the first one says how to leave."""
    with chatting(home) as c:
        shown = c.press("\x03\x03")
        assert "(Ctrl-D, /exit or another Ctrl-C leaves)" in shown


class Dreamer:
    """Something to do while nobody types, which writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.began = threading.Event()

    def begin(self) -> None:
        """Told."""
        self.told.append("begin")
        self.began.set()

    def stop(self) -> None:
        """Told."""
        self.told.append("stop")

    def end(self) -> None:
        """Told."""
        self.told.append("end")


def test_idle_time_is_used_and_given_back() -> None:
    """Begun when no key was pressed for a while and the line is empty; stopped by any key, ended by Enter."""
    dreamer = Dreamer()
    with create_pipe_input() as keys:
        prompt = LineEditor(
            None, str, environ={}, idle=dreamer, patience=0.05, input=keys, output=DummyOutput()
        )

        def type_later() -> None:
            dreamer.began.wait(60)
            keys.send_text("x")
            time.sleep(0.3)  # the line is not empty: nothing begins
            keys.send_text("\r")

        typist = threading.Thread(target=type_later)
        typist.start()
        assert prompt.read() == "x"
        typist.join()
        assert dreamer.told == ["stop", "begin", "stop", "stop", "end"]
        keys.send_text("at once\r")
        dreamer.told.clear()
        assert prompt.read() == "at once"
        assert set(dreamer.told) == {"stop", "end"}
        assert dreamer.told[-1] == "end"
        dreamer.told.clear()
        keys.send_text("\x04")
        with pytest.raises(EOFError):
            prompt.read()
        assert dreamer.told[-1] == "end"


def test_history_lasts(home: Path) -> None:
    """What was typed is there in the next session, several lines as one entry, for this user alone."""
    with chatting(home) as c:
        c.press("first\nline\rsecond\r\x04")
        file = c.paths.input_history
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with chatting(home) as c:
        c.press("\x1b[A\x1b[A\x1b[A\r\x04")  # up to the entry, up within it, up does nothing
        assert c.said[0] == "first\nline"


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [
        ("hel", "lo again"),
        ("hello w", "orld"),
        ("hello again", None),
        ("", None),
        ("x", None),
        ("a\nb", None),
    ],
)
def test_the_newest_beginning_is_suggested(typed: str, suggested: str | None) -> None:
    """The rest of its first line; nothing for an empty line or several."""
    history = TypedHistory(None, print)
    for entry in ("hello world", "hello again\nsecond line", "a\nb\nc", "x" * (LONGEST + 1)):
        history.append_string(entry)
    buffer = Buffer(history=history)
    suggestion = SuggestRecent().get_suggestion(buffer, Document(typed))
    assert (suggestion and suggestion.text) == suggested


def test_a_history_that_anybody_could_read_is_closed(tmp_path: Path) -> None:
    """The mode of an existing file is put right."""
    file = tmp_path / "history"
    file.write_text('"old"\n')
    file.chmod(0o644)
    history = InputHistory(file)
    history.add("new")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert history.load() == ["old", "new"]


def test_a_damaged_history_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Torn and foreign lines are passed over; any text comes back as it was; long ones are not kept."""
    file = tmp_path / "history"
    file.write_bytes(b'"one"\n\xff\xfe\n{"a": 1}\n' + b"[" * 100_000 + b'\n"tor')
    history = InputHistory(file)
    nasty = "two\nlines\x00\x1b \ud800 é"
    history.add(nasty)
    history.add("x" * (LONGEST + 1))
    assert history.load() == ["one", nasty]


def test_a_history_that_grew_is_halved(tmp_path: Path) -> None:
    """The newest entries stay."""
    file = tmp_path / "history"
    file.write_text("".join(f'"{n:0100d}"\n' for n in range(60_000)))
    entries = InputHistory(file).load()
    assert int(entries[-1]) == 59_999
    assert len(entries) < 30_000
    assert file.stat().st_size < 2.1 * 2**20


def test_a_history_that_cannot_be_written_is_said_once(home: Path) -> None:
    """The chat goes on without it."""
    (home / "history").mkdir()
    with chatting(home) as c:
        shown = c.type("one", "two")
        assert shown.count("the input history is not saved") == 1
        assert len(c.said) == 4


def send_once_there(c: Chatting, file: Path, keys: str) -> None:
    """Send keys as soon as an editor shows that it runs; they are read when it has ended."""
    while not file.exists():
        time.sleep(0.01)
    c.keys.send_text(keys)


def editor(folder: Path, script: str) -> str:
    """An editor that does what a shell script says with its file, ``$1``."""
    file = folder / "my editor.sh"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return f"'{file}'"


@pytest.mark.parametrize("keys", ["\x07", "\x18\x05"])
def test_the_editor_has_the_text(home: Path, tmp_path: Path, keys: str) -> None:
    """Ctrl-G and Ctrl-X Ctrl-E open it, on a private file; what it saved stands in the line."""
    script = f'stat -c %a "$1" > "{tmp_path}/mode"; printf "more\\n\\n" >> "$1"'
    with chatting(home, {"EDITOR": editor(tmp_path, script), "VISUAL": ""}) as c:
        threading.Thread(target=send_once_there, args=(c, tmp_path / "mode", "\r\x04")).start()
        c.press(f"some {keys}")
        assert c.said[0] == "some more"
    assert (tmp_path / "mode").read_text() == "600\n"
    assert list(tmp_path.glob("*message*")) == []


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("/no/such/editor", "no such editor: '/no/such/editor'"),
        ("false", "ended with code 1"),
        ("'unclosed", "the editor is set to"),
        ("   ", "set EDITOR to an editor"),
        ("rm", "removed the file"),
        ("/", "cannot be used"),
    ],
)
def test_an_editor_that_fails_is_one_line(home: Path, choice: str, words: str) -> None:
    """The text in the line stays."""
    with chatting(home, {"EDITOR": choice}) as c:
        shown = c.press("text\x07\r\x04")
        assert words in shown
        assert c.said[0] == "text"
