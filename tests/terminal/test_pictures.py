"""Pictures in the chat: attached, dropped, shown in lists, taken back; in real terminals too."""

import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from chatcli.chat.message import Message
from chatcli.engine.base import Cancellation, Engine, Event, Progress
from chatcli.engine.scripted.engine import ScriptedEngine
from chatcli.errors import ExitCode, ModelError
from chatcli.sampling import SamplingParams
from chatcli.settings import Settings
from chatcli.terminal.commands.attaching import attached_hint
from chatcli.terminal.prompt.completion import CommandCompleter
from tests.pictures import picture_bytes, picture_file
from tests.program import Terminal
from tests.terminal.chatting import Chatting, chatting


def names(c: Chatting) -> list[list[str]]:
    """The names of the pictures of each message on the path."""
    return [[p.name for p in m.pictures] for m in c.chat.session.conversation.messages()]


def test_attached_shown_sent(home: Path, tmp_path: Path) -> None:
    """Sizes and tokens are said when they are attached; then they go with the next message, once."""
    cat, dog = picture_file(tmp_path / "my cat.png"), picture_file(tmp_path / "dog.png", "blue", (640, 480))
    with chatting(home) as c:
        c.chat.session.engine()
        shown = c.type(f"/image '{cat}'", f"/image {dog}", "/image", "look", "more")
        assert "(attached: my cat.png 30x20: 64 tokens of 4096;" in shown
        assert shown.count("my cat.png 30x20 and dog.png 640x480: 128 tokens of 4096;") == 2
        assert "I see my cat.png, 30 x 20 pixels. I see dog.png, 640 x 480 pixels." in shown
        assert names(c) == [["my cat.png", "dog.png"], [], [], []]


def test_a_model_that_loads_is_waited_for(home: Path, tmp_path: Path) -> None:
    """Whether it sees is known then: until then a picture is attached without its tokens, and not sent."""
    cat, go_on = picture_file(tmp_path / "cat.png"), threading.Event()

    def open_slowly(_settings: Settings, _cancel: Cancellation, _progress: Progress) -> Engine:
        go_on.wait()
        return ScriptedEngine()

    with chatting(home) as c:
        c.chat.session.engine.open_engine = open_slowly
        shown = c.type("/model scripted:context=3000", f"/image {cat}")
        assert "(attached: cat.png 30x20; /image --drop" in shown
        threading.Timer(0.3, go_on.set).start()
        assert "I see cat.png" in c.type("look")
        assert names(c) == [["cat.png"], []]


def test_the_bottom_line_says_what_is_attached(home: Path, tmp_path: Path) -> None:
    """Until it is sent."""
    (tmp_path / "notes.txt").write_text("text")
    with chatting(home) as c:
        c.type(f"/image {picture_file(tmp_path / 'cat.png')} {picture_file(tmp_path / 'dog.png', 'blue')}")
        assert attached_hint(c.chat) == "with 2 pictures"
        c.type(f"/read {tmp_path}/notes.txt")
        assert attached_hint(c.chat) == "with 1 file, 2 pictures"
        c.type("look")
        assert attached_hint(c.chat) == ""


def test_pictures_need_no_words(home: Path, tmp_path: Path) -> None:
    """Enter on an empty line sends them; without any it does nothing, and what was dropped again is gone."""
    cat = picture_file(tmp_path / "cat.png")
    with chatting(home) as c:
        c.type("", f"/image {cat}", "/image --drop", "")
        assert c.said == []
        assert "I see cat.png" in c.type(f"/image {cat}", "")
        assert names(c) == [["cat.png"], []]


def test_a_dropped_file_is_attached(home: Path, tmp_path: Path) -> None:
    """Its path alone on the line; with words it is a message."""
    cat = picture_file(tmp_path / "my cat.png")
    with chatting(home) as c:
        assert "(attached: my cat.png" in c.type(str(cat), f"'{cat}'", str(cat).replace(" ", "\\ "))
        c.type(f"What is in {cat}?")
        assert names(c) == [["my cat.png"], []]


def test_lists_name_pictures(home: Path, tmp_path: Path) -> None:
    """History, one message in full, the context, alternatives, a chat that is gone on with."""
    with chatting(home) as c:
        c.type(f"/image {picture_file(tmp_path / 'cat.png')}", "look")
        for command in ("/history", "/context"):
            assert "[picture: cat.png] look" in c.type(command)
        assert "> [picture: cat.png]\nlook" in c.type("/history 1")
        name = c.chat.session.conversation.id
        c.type("/clear")
        assert "> [picture: cat.png]\nlook" in c.type(f"/load {name}")


def test_taken_back_and_edited(home: Path, tmp_path: Path) -> None:
    """/undo attaches the pictures again, beside those that are; /edit keeps them."""
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nprintf "look again" > "$1"\n')
    editor.chmod(0o755)
    cat, dog = picture_file(tmp_path / "cat.png"), picture_file(tmp_path / "dog.png", "blue")
    with chatting(home, {"EDITOR": str(editor)}) as c:
        shown = c.type(f"/image {cat}", "look", "/edit")
        assert "(still with [picture: cat.png])" in shown
        assert names(c) == [["cat.png"], []]
        c.chat.draft = ""
        shown = c.press(f"/image {dog}\r/undo\r!\r\x04")
        assert "(taken back; 0 messages left; with [picture: cat.png])" in shown
        assert c.said[0] == "look again!"
        assert names(c) == [["cat.png", "dog.png"], []]


class FailsOnce(ScriptedEngine):
    """Its first answer does not come."""

    failed = False

    def generate(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        *,
        cancel: Cancellation | None = None,
        thinking: bool | None = None,
    ) -> Iterator[Event]:
        """Fail, then answer."""
        if not self.failed:
            self.failed = True
            raise ModelError("the picture is missing")
        yield from super().generate(messages, params, cancel=cancel, thinking=thinking)


def test_an_edit_that_fails_loses_nothing(home: Path, tmp_path: Path) -> None:
    """The text stands in the line again, with the pictures of both messages."""
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nprintf "look again" > "$1"\n')
    editor.chmod(0o755)
    cat, dog = picture_file(tmp_path / "cat.png"), picture_file(tmp_path / "dog.png", "blue")
    with chatting(home, {"EDITOR": str(editor)}) as c:
        c.type(f"/image {cat}", "look")
        c.chat.session.engine.open_engine = lambda *_: FailsOnce()
        c.type("/model scripted:context=3000")
        assert "the picture is missing" in c.press(f"/image {dog}\r/edit\r!\r\x04")
        assert c.said[-2] == "look again!"
        assert names(c)[-2:] == [["cat.png", "dog.png"], []]


def test_what_is_wrong_is_one_line(home: Path, tmp_path: Path) -> None:
    """And what was attached stays; names cannot act on the terminal."""
    cat, strange = picture_file(tmp_path / "cat.png"), tmp_path / "a\x1b[31m\n\u202eb.png"
    strange.write_text("no picture")
    with chatting(home) as c:
        c.type(f"/image {cat}")
        for argument in ("gone.png", f"'{tmp_path}/*b.png'", "-", "'", str(tmp_path / "*.txt")):
            shown = c.type(f"/image {argument}")
            assert shown.count("\n") == 1, shown
            assert "\x1b" not in shown
            assert "\u202e" not in shown
        assert "attached: cat.png 30x20" in c.type("/image")
        strange.write_bytes(picture_bytes())
        c.type(f"/image '{tmp_path}/*b.png'", "look")
        for keys in ("/history\r\x04", "/undo\r\x03\x04"):
            assert not re.search("[\x1b\u202e]", c.press(keys))


def test_completion_offers_folders_and_pictures(home: Path, tmp_path: Path) -> None:
    """Other files are not offered."""
    for name in ("a.png", "b c.JPG", "sub/d.gif"):
        picture_file(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").touch()
    with chatting(home) as c:
        line = Document(f"/image {tmp_path}/photos/")
        offered = CommandCompleter(c.chat).get_completions(line, CompleteEvent())
        assert [choice.text for choice in offered] == ["a.png", "b\\ c.JPG", "sub/"]


def test_stopped_before_the_first_word_pictures_stay(home: Path, tmp_path: Path) -> None:
    """As the words do: what was to be sent can be sent again. So it begins with ``-i``."""
    cat = picture_file(tmp_path / "cat.png")
    with Terminal(home, "-m", "scripted:delay=20", "-i", str(cat)) as t:
        t.wait_for("(in your first message: cat.png 30x20)")
        t.wait_for(lambda text: text.endswith("\n>"))
        t.send("look\r")
        t.wait_for(lambda text: text.count("look") == 1 and not text.endswith("look"))
        t.send("\x03")
        t.wait_for(lambda text: text.count("look") == 2)
        t.send("\x03")
        t.wait_for(lambda text: text.rstrip().endswith(">"))
        t.send("/image\r")
        t.wait_for("(attached: cat.png 30x20")


def test_a_model_that_does_not_see_is_refused_pictures(home: Path, tmp_path: Path) -> None:
    """What was typed and attached waits for one that does; nothing was written."""
    cat = picture_file(tmp_path / "cat.png")
    with Terminal(home, "-i", str(cat), size=(200, 24)) as t:
        t.wait_for("(in your first message: cat.png 30x20)")
        t.wait_for(lambda text: text.endswith("\n>") or "context" in text)
        t.send("look\r")
        t.wait_for("lkjsxclm cannot see cat.png")
        t.wait_for(lambda text: text.count("> look") == 2)
        assert not list((home / "transcripts").rglob("*.*"))
        t.send("\x03")
        t.send(f"{cat}\r")
        t.wait_for(lambda text: text.count("lkjsxclm cannot see") == 2)
        t.send("/model scripted:\r")
        t.wait_for("goes on with scripted:")
        t.send("what is it?\r")
        t.wait_for("I see cat.png, 30 x 20 pixels.")
        t.wait_for(lambda text: "\n>" in text[text.rindex("pixels") :])
        t.send("\x04")
        assert t.wait_for_exit() == ExitCode.OK
