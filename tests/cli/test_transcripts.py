"""``chatcli transcripts``, through the whole program."""

import io
import json
import os
import re
import zipfile
from pathlib import Path

import pytest

from chatcli.chat.conversation import Conversation, Node
from chatcli.chat.message import assistant, system, user
from chatcli.chat.transcript.reader import load
from chatcli.cli.transcripts.commands import query_of
from chatcli.cli.transcripts.show import branches
from chatcli.errors import ExitCode
from chatcli.settings import Paths
from chatcli.storage.state_cache import StateCache
from chatcli.storage.transcripts.store import TranscriptStore
from tests.chat.formats import samples
from tests.pictures import picture
from tests.program import Run, Terminal, environment
from tests.program import run as run_program

NASTY = "\x1b]52;c;aGk=\x07\x9b31m\u202eabc</title><script>alert(1)</script>"


def run(home: Path, *arguments: str, stdin: bytes = b"", code: int = 0) -> Run:
    """Run ``chatcli transcripts ARGUMENTS``; nothing it prints acts on a terminal."""
    done = run_program(home, "transcripts", *arguments, stdin=stdin)
    assert done.code == code, done.stderr
    assert "Traceback" not in done.stderr
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", done.stderr)
    return done


def shown(home: Path, *arguments: str) -> str:
    """What a command prints for people, in a pipe."""
    text = run(home, *arguments).stdout
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    return text


def paths(home: Path) -> Paths:
    """Where this home keeps things."""
    return Paths.locate(environment(home))


def keep(home: Path, *words: str, title: str = "", branch: str = "") -> str:
    """A conversation of questions and answers in turn, perhaps with another last answer; its name."""
    conversation = Conversation(title=title)
    for index, text in enumerate(words):
        conversation.append(assistant(text, "because") if index % 2 else user(text))
    if branch:
        conversation.append(assistant(branch), conversation.path()[-1].parent)
    TranscriptStore(paths(home).transcripts).add(conversation).close()
    return conversation.id


def file_of(home: Path, name: str) -> Path:
    """The file of a conversation."""
    return TranscriptStore(paths(home).transcripts).path(name)


def messages_of(home: Path) -> list[list[tuple[str, str]]]:
    """Role and words of every conversation of a home, in the order of their words."""
    store = TranscriptStore(paths(home).transcripts)
    found = [store.read(p.stem).conversation for p in paths(home).transcripts.rglob("*.txt")]
    return sorted([(m.role.value, m.content) for m in c.messages()] for c in found)


def test_list_is_newest_first(home: Path) -> None:
    """Id, date, count, title; the newest first; as many as asked for; also as JSON."""
    old, new = keep(home, "one", "two", title="Old"), keep(home, "three\nfour", "five")
    os.utime(file_of(home, old), (1e9, 1e9))
    lines = shown(home, "list").splitlines()
    assert [line.split()[0] for line in lines] == [new, old]
    assert lines[0].endswith("three")
    assert re.search(r"2001-09-\d\d \d\d:\d\d +2 +Old$", lines[1])
    one = run(home, "list", "--count", "1")
    assert one.stdout.count("\n") == 1
    assert "--count 0" in one.stderr
    records = json.loads(shown(home, "list", "--json"))
    assert [(r["id"], r["title"], r["messages"]) for r in records] == [(new, "three", 2), (old, "Old", 2)]


def test_show_is_readable_and_harmless(home: Path) -> None:
    """The current branch with its speakers; escape sequences are shown, not sent; JSON has the exact text."""
    name = keep(home, NASTY, "first", title=NASTY, branch="second " + NASTY)
    text = shown(home, "show", name)
    assert "2 of 3 messages" in text
    assert "user\n^[]52;c;aGk=^G<9b>31m<U+202E>abc</title>" in text
    assert "lkjsxclm  2 of 2\nsecond ^[" in text
    assert "first" not in text
    record = json.loads(shown(home, "show", name, "--json"))
    assert [m["content"] for m in record["messages"]] == [NASTY, "second " + NASTY]
    everything = json.loads(shown(home, "show", name, "--json", "--tree"))
    assert [m["parent"] for m in everything["messages"]] == [None, 1, 1]
    tree = shown(home, "show", name, "--tree").splitlines()[3:]
    assert tree[1] == "├─ ○ 2 lkjsxclm: first"
    assert tree[2].startswith("└─ ● 3 lkjsxclm: second ^[")
    assert tree[2].endswith("← the chat continues here")
    assert (
        run_program(home, "transcripts", "show", name, "--raw").stdout.encode()
        == file_of(home, name).read_bytes()
    )


def test_pictures_are_named_before_the_words(home: Path) -> None:
    """In the list, the messages and the tree; as data they are told apart."""
    conversation = Conversation()
    first, nasty = picture(), picture(NASTY, color="blue")
    conversation.append(user("", first))
    conversation.append(assistant("Red."))
    conversation.append(user("And this?", first, nasty))
    TranscriptStore(paths(home).transcripts).add(conversation).close()
    assert shown(home, "list").endswith("  [picture: cat.png]\n")
    text = shown(home, "show", "last")
    assert "user\n[picture: cat.png]\n\n" in text
    assert re.search(r"\n\[picture: cat\.png\]\n\[picture: .*abc.*\]\nAnd this\?\n", text)
    tree = shown(home, "show", "last", "--tree")
    assert "1 user: [picture: cat.png]" in tree
    assert "3 user: And this?" in tree
    messages = json.loads(run(home, "show", "last", "--json").stdout)["messages"]
    assert [m.get("pictures") for m in messages] == [
        [{"sha256": first.sha256, "name": "cat.png"}],
        None,
        [{"sha256": first.sha256, "name": "cat.png"}, {"sha256": nasty.sha256, "name": NASTY}],
    ]


def test_a_tree_moves_in_only_where_it_branches() -> None:
    """A long chat stays at the margin; siblings below siblings have their lines; depth is bounded."""
    conversation = Conversation()
    for text in "ab":
        conversation.append(user(text))
    conversation.append(assistant("c"), 1)
    conversation.append(assistant("d"), 2)
    conversation.append(assistant("e"), 2)
    conversation.append(system("f"), None)
    drawn = [lines + node.message.content for lines, node in branches(conversation)]
    assert drawn == ["├─ a", "│  ├─ b", "│  │  ├─ d", "│  │  └─ e", "│  └─ c", "└─ f"]
    deep = Conversation()
    for _ in range(2000):
        above = deep.head
        deep.append(user("x"), above)
        deep.append(user("y"), above)
    assert max(len(lines) for lines, _ in branches(deep, unicode=False)) < 100


def test_search_finds_words_and_filters(home: Path) -> None:
    """Words, phrases, prefixes and filters; plain in a pipe; JSON says which part matched."""
    name = keep(home, "Where do penguins live?", "In the far south.")
    keep(home, "Something else", "Entirely")
    assert "1 user: Where do penguins live?" in shown(home, "search", "penguins")
    assert name in shown(home, "search", "peng*", "role:user")
    assert name in shown(home, "search", "far south", "role:assistant")
    assert "nothing was found" in run(home, "search", '"south far"').stderr
    (hit,) = json.loads(shown(home, "search", "--json", "penguins"))
    begin, end = hit["matches"][0]
    assert hit["snippet"][begin:end] == "penguins"
    assert "after: is followed by a date" in run(home, "search", "after:soon", code=ExitCode.USAGE).stderr


@pytest.mark.parametrize(
    ("words", "query"),
    [
        (["deep learning"], "deep learning"),
        (["role:user", "deep learning"], 'role:user "deep learning"'),
        (['"a b"', "c"], '"a b" c'),
        (["model:my model", "x"], 'model:"my model" x'),
    ],
)
def test_a_shell_argument_with_spaces_is_a_phrase(words: list[str], query: str) -> None:
    """Quotation marks that the shell took are put back, unless the query is one argument."""
    assert query_of(words) == query


def test_rename_and_path(home: Path) -> None:
    """A new title is in the file and in lists, and the conversation answers to it."""
    name = keep(home, "hi", "ho")
    assert run(home, "rename", name, "A  new", "\x1btitle").stdout == ""
    assert "A new ^[title" in shown(home, "list")
    assert shown(home, "path", "a new").strip() == str(file_of(home, name))
    assert shown(home, "path").strip() == str(paths(home).transcripts)
    assert "a title needs" in run(home, "rename", name, " ", code=ExitCode.USAGE).stderr


def test_rm_leaves_nothing(home: Path) -> None:
    """Removed: the file, what the index holds, the cached state; no byte of it stays below the home."""
    name, other = keep(home, "marker qzxvwk", "qzxvwk"), keep(home, "stays", "here")
    StateCache(paths(home).kv_states, 1000).store(name, "", b"qzxvwk")
    assert name in shown(home, "search", "qzxvwk")
    refused = run(home, "rm", name, code=ExitCode.USAGE)
    assert "--yes" in refused.stderr
    assert file_of(home, name).exists()
    assert f"removed {name}" in run(home, "rm", name, name[-5:], "--yes").stderr
    kept = [f for f in home.rglob("*") if f.is_file() and (b"qzxvwk" in f.read_bytes() or name in f.name)]
    assert kept == []
    assert [r["id"] for r in json.loads(shown(home, "list", "--json"))] == [other]


def test_rm_removes_nothing_if_one_name_is_wrong(home: Path) -> None:
    """All names are looked up before anything is removed."""
    name = keep(home, "hi", "ho")
    assert "nosuch" in run(home, "rm", "--yes", name, "nosuch", code=ExitCode.USAGE).stderr
    assert file_of(home, name).exists()


def test_rm_asks_on_a_terminal(home: Path) -> None:
    """On a terminal the titles are shown and nothing goes without a yes."""
    name = keep(home, "hi", "ho", title="Mine")
    with Terminal(home, "transcripts", "rm", name) as terminal:
        assert "Mine" in terminal.wait_for("for good?")
        terminal.send("n\r")
        terminal.wait_for("nothing was removed")
        assert terminal.wait_for_exit() == ExitCode.FAILED
    assert file_of(home, name).exists()


def test_a_terminal_gets_highlights_and_the_pager(home: Path) -> None:
    """Matches are highlighted on a terminal; what exceeds the screen goes through $PAGER."""
    keep(home, "penguins\n" * 50, "ho")
    with Terminal(home, "transcripts", "search", "penguins", "role:user") as terminal:
        assert terminal.wait_for_exit() == 0
        assert b"mpenguins\x1b[0m" in terminal.raw
    with Terminal(home, "transcripts", "show", "last", env={"PAGER": "sed s/penguins/whales/"}) as terminal:
        assert terminal.wait_for_exit() == 0
        assert "whales" in terminal.scrollback
        assert "penguins" not in terminal.scrollback


def test_stats_count(home: Path) -> None:
    """Conversations and messages, by model and month, and bytes."""
    names = [keep(home, "a", "b"), keep(home, "c", "d", branch="e")]
    record = json.loads(shown(home, "stats", "--json"))
    assert (record["conversations"], record["messages"], record["damaged"]) == (2, 5, 0)
    assert record["bytes"] == sum(file_of(home, name).stat().st_size for name in names)
    assert sum(record["months"].values()) == 2
    assert re.search(r"messages +5\n", shown(home, "stats"))


def test_damage_is_told_and_repaired_on_demand(home: Path) -> None:
    """A damaged file: one line with its place and the way on; with --repair what can be read is."""
    name = keep(home, "hi", "ho", title="T")
    with file_of(home, name).open("ab") as file:
        file.write(b"stray text\n")
    for command in (["show", name], ["export", name], ["rename", name, "x"]):
        done = run(home, *command, code=ExitCode.DATA)
        assert re.search(r":4:1: .*--repair", done.stderr), done.stderr
        assert done.stderr.count("\n") == 1
    assert "[damaged at 4:1" in shown(home, "list")
    repaired = run(home, "show", name, "--repair")
    assert "ho" in repaired.stdout
    assert f"{name}:4" in repaired.stderr
    run(home, "rename", name, "--repair", "Saved")
    assert "Saved" in shown(home, "show", name)


def test_a_part_of_a_killed_answer_is_there(home: Path) -> None:
    """What a crashed process left of its answer is listed, found and shown, without another chat before."""
    store = TranscriptStore(paths(home).transcripts)
    conversation, log = store.create()
    log.append(conversation.append(user("what lives there?")))
    part = log.answering(Node(2, 1, assistant("")))
    assert part is not None
    part.add("Penguins and")
    part.close()
    log.close()
    assert len(load([file_of(home, conversation.id).read_bytes()]).conversation) == 1
    assert "Penguins and" in shown(home, "search", "penguins")
    assert "Penguins and" in shown(home, "show", "last")
    assert len(load([file_of(home, conversation.id).read_bytes()]).conversation) == 2
    assert re.search(r"  2 +what lives", shown(home, "list"))


@pytest.mark.parametrize("kind", ["bare", "json", "sharegpt", "trl", "raw"])
def test_what_is_exported_imports_again(home: Path, tmp_path: Path, kind: str) -> None:
    """From one home to another the messages are the same, whatever they hold."""
    words = [NASTY, "\r\n</user> <user>\ud800", "\n", "```\n<lkjsxclm>"]
    keep(home, *words)
    keep(home, "short", "chat")
    elsewhere = tmp_path / "elsewhere"
    out = tmp_path / ("out" if kind in {"bare", "raw"} else "out.jsonl")
    run(home, "export", "--all", "--format", kind, "--out", str(out))
    files = sorted(map(str, out.iterdir())) if out.is_dir() else [str(out)]
    assert run(elsewhere, "import", *files).stdout.count("\n") == 2
    assert messages_of(elsewhere) == messages_of(home)
    again = run(elsewhere, "import", *files)
    assert again.stdout == ""
    assert again.stderr.count("already present as") == 2
    assert len(messages_of(elsewhere)) == 2


def test_export_writes_files_and_pipes(home: Path, tmp_path: Path) -> None:
    """The suffix says the format; nothing is overwritten unasked; a pipe gets the exact bytes."""
    name = keep(home, NASTY, "Sure.\n", title=NASTY)
    page = tmp_path / "chat.html"
    assert run(home, "export", name, "--out", str(page)).stdout == ""
    assert "<script" not in page.read_text()
    assert "exists; choose" in run(home, "export", name, "--out", str(page), code=ExitCode.USAGE).stderr
    run(home, "export", name, "--out", str(page), "--force")
    assert run(home, "export", name).stdout == f"<user>{NASTY}</user>\n<lkjsxclm>Sure.\n</lkjsxclm>\n"
    assert json.loads(shown(home, "export", name, "--format", "trl"))["messages"][0]["content"] == NASTY
    refused = run(home, "export", name, "-o", "x.pdf", code=ExitCode.USAGE)
    assert ".pdf files have no known format" in refused.stderr
    keep(home, "x", "y")
    assert "need a folder" in run(home, "export", "--all", "-f", "html", code=ExitCode.USAGE).stderr
    assert "give --all" in run(home, "export", code=ExitCode.USAGE).stderr


def test_import_takes_the_exports_of_other_programs(home: Path, tmp_path: Path) -> None:
    """ChatGPT's archive and Open WebUI's file: branches, models and times are kept; twice is said."""
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("chat.html", "<html>")
        archive.writestr("conversations.json", json.dumps([samples.chatgpt()]))
    (tmp_path / "export.zip").write_bytes(bundle.getvalue())
    (tmp_path / "webui.json").write_text(json.dumps([samples.open_webui()]))
    files = [str(tmp_path / "export.zip"), str(tmp_path / "webui.json")]
    done = run(home, "import", *files)
    assert "2 imported" in done.stderr
    first = done.stdout.split()[0]
    assert "Six by seven" in shown(home, "show", first)
    tree = shown(home, "show", first, "--tree")
    assert "├─ ● 2 lkjsxclm: It is 42.  ←" in tree
    assert "└─ ○ 4 lkjsxclm: 42!" in tree
    records = json.loads(shown(home, "list", "--json"))
    assert {(r["title"], *r["models"]) for r in records} == {("Six by seven", "gpt-x"), ("A or b", "qwen")}
    assert {r["written"][:4] for r in records} == {"2023"}
    assert "2 present" in run(home, "import", *files).stderr
    changed = samples.chatgpt() | {"title": "Longer"}
    changed["mapping"]["thanks"]["message"]["content"]["parts"] = ["Thank you"]
    again = run(home, "import", "-", stdin=json.dumps(changed).encode())
    assert f"was imported as {first}" in again.stderr


def test_one_bad_chat_does_not_lose_the_others(home: Path, tmp_path: Path) -> None:
    """What cannot be read is told with file and place, on a line each; the rest is imported."""
    bad = samples.chatgpt() | {"mapping": {"x": {"message": 3}}, "title": NASTY}
    file = tmp_path / "many.json"
    file.write_text(json.dumps([samples.chatgpt(), bad, samples.open_webui()]))
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    (tmp_path / "torn.txt").write_text("<user>hi</user>\nstray <lkjsxclm>ho</lkjsxclm>")
    files = [str(f) for f in (file, tmp_path / "photo.png", tmp_path / "torn.txt", tmp_path / "nowhere")]
    done = run(home, "import", *files, "--json", code=ExitCode.DATA)
    assert [r["title"] for r in json.loads(done.stdout)] == ["Six by seven", "A or b"]
    lines = done.stderr.splitlines()
    assert len(lines) == 5
    assert 'many.json: conversation 2 "^[]52' in lines[0]
    assert "node 'x'" in lines[0]
    assert "photo.png: 1:1: neither a transcript" in lines[1]
    assert "torn.txt: 2:1:" in lines[2]
    assert "nowhere: cannot be read" in lines[3]
    assert lines[4] == "chatcli: 2 imported, 4 unreadable"
    assert run(home, "import", files[2], "--repair").stdout.count("\n") == 1
