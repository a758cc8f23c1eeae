"""Choosing a chat: search as you type, arrows, Enter, Escape; by number where nothing may move."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.message import assistant, user
from chatcli.errors import ExitCode
from chatcli.session.past_chats import PastChats
from chatcli.settings import Paths
from chatcli.storage.transcripts.store import TranscriptStore
from tests.program import Terminal
from tests.terminal.chatting import chatting

TITLES = ("Cooking rice", "Penguins", "Growing beans", "Rice again")


def paths(home: Path) -> Paths:
    """Where this home keeps things."""
    return Paths.locate({"CHATCLI_HOME": str(home)})


def keep(home: Path) -> dict[str, str]:
    """Four chats, a minute apart, and a hundred that are nothing special; their names by title."""
    store = TranscriptStore(paths(home).transcripts)
    names = {}
    for number, title in enumerate([*(f"Filler {n}" for n in range(30)), *TITLES]):
        started = datetime(2026, 11, 1, 12, number, tzinfo=UTC)
        conversation = Conversation(started=started, title=title)
        conversation.append(user(f"tell me of {title.lower()}"))
        conversation.append(
            assistant(f"All about {title.upper()}.\x1b[31m" + "\nand an iceberg" * (number == 31))
        )
        store.add(conversation).close()
        names[title] = conversation.id
    return names


def test_finding_by_name_title_and_words(home: Path) -> None:
    """Names and titles come first, then what was said; half a query is no error."""
    names = keep(home)
    with PastChats(paths(home)) as chats:

        def found(text: str) -> list[str]:
            return [f.summary.title for f in chats.find(text)]

        assert len(found("")) == 34
        assert found("RICE") == ["Rice again", "Cooking rice"]
        assert found("iceb") == ["Penguins"]
        assert chats.find("iceb")[0].snippet
        assert found(names["Penguins"][-5:]) == ["Penguins"]
        assert found("tell beans") == ["Growing beans"]
        assert found("after:") == found("no such thing") == []
        assert chats.last_words(names["Penguins"], 2)[0].message.content == "tell me of penguins"
        assert chats.last_words("nothing", 2) == []


def test_keys_choose(home: Path) -> None:
    """Down and Enter take the second; Escape takes none; what is typed narrows; the chat goes on there."""
    keep(home)
    with chatting(home) as c:
        assert "nothing chosen" in c.press("/load\r\x1b\x04")
        c.press("/load\r\x1b[B\r\x04")
        assert c.chat.session.conversation.title == "Growing beans"
        c.press("/load\riceberg\r\x04")
        assert c.chat.session.conversation.title == "Penguins"
        assert "nothing chosen" in c.press("/load 20261101\r\x03\x04")
        c.press("/load 20261101-120\r\r\x04")
        assert c.chat.session.conversation.title == "Filler 9"
        c.press("/load\rFiller 2\x1b[B\x1b[B\r\x04")  # 29, 28, 27
        assert c.chat.session.conversation.title == "Filler 27"


@pytest.mark.parametrize("size", [(80, 24), (40, 10)])
def test_the_picker_on_a_terminal(home: Path, size: tuple[int, int]) -> None:
    """The newest on top, the end of the marked one below; nothing acts on the terminal; resizing works."""
    keep(home)
    with Terminal(home, "-m", "scripted:", "--pick", size=size) as t:
        t.wait_for(lambda _: re.search(r"> (2026|\d\d-\d\d)", t.text) is not None)
        t.wait_for(lambda _: "RICE AGAIN.^[[31m" in t.text)
        t.send("\x1b[B\x1b[B")
        t.wait_for(lambda _: "iceberg" in t.text)
        t.resize(60, 14)
        t.wait_for(lambda _: "iceberg" in t.text and "Penguins" in t.text)
        t.send("cooking")
        t.wait_for(lambda _: "COOKING RICE" in t.text and "Penguins" not in t.text)
        t.send("\r")
        t.wait_for("(Cooking rice: 2 messages")
        t.wait_for(lambda text: text.endswith("\n>"))
        t.send("/load\r")
        t.wait_for(lambda _: "Which chat?" in t.text.splitlines()[0])
        t.send("\x1b")
        t.wait_for("(nothing chosen")
        t.wait_for(lambda text: text.endswith("\n>"))
        t.send("and now?\r")
        t.wait_for("I heard: and now?" if size[0] == 80 else "and now?\n>")
        t.wait_for(lambda text: text.endswith("\n>"))
        t.send("\x04")
        assert t.wait_for_exit() == ExitCode.OK


def test_a_name_that_is_not_enough_opens_the_list(home: Path) -> None:
    """``-r`` with the beginning of several titles searches for it; Escape ends the program."""
    keep(home)
    with Terminal(home, "-m", "scripted:", "-r", "fill") as t:
        t.wait_for(lambda _: "Which chat? fill" in t.text and "Filler 29" in t.text)
        t.send("\x1b")
        assert t.wait_for_exit() == ExitCode.OK
    with Terminal(home, "-m", "scripted:", "-c", "--pick") as t:
        assert t.wait_for_exit() == ExitCode.USAGE


def test_numbers_where_nothing_may_move(home: Path) -> None:
    """``--plain``: the newest nine by number, words search, an empty line leaves."""
    keep(home)
    with Terminal(home, "-m", "scripted:", "--plain", "--pick") as t:
        t.wait_for("the newest 9 of 34")
        t.send("beans\r")
        t.wait_for(lambda text: "Growing beans" in text.partition("? beans")[2])
        t.send("1\r")
        t.wait_for("(Growing beans: 2 messages")
        t.send("/load\r")
        t.wait_for(lambda text: text.count("the newest 9") == 2)
        t.send("\r")
        t.wait_for("nothing chosen")
        t.send("\x04")
        assert t.wait_for_exit() == ExitCode.OK
        assert b"\x1b" not in t.raw


def test_there_is_nothing_to_choose(home: Path) -> None:
    """An empty folder is said in one line."""
    with chatting(home) as c:
        assert "there are no other chats yet" in c.type("/load")
