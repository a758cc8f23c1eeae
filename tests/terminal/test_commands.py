"""The slash commands, each through the prompt, on a real session and real files."""

import base64
import re
from pathlib import Path

import pytest

from chatcli.chat.formats.exporting import SUFFIXES, render_as
from chatcli.chat.transcript.reader import load
from chatcli.terminal.commands.declaration import SlashCommand
from chatcli.terminal.commands.table import COMMANDS, NAMES
from tests.terminal.chatting import Chatting, chatting


def editor_that(tmp_path: Path, script: str) -> str:
    """An editor that runs a line of shell with its file, ``$1``."""
    file = tmp_path / "editor.sh"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


def test_names_are_unambiguous() -> None:
    """No two commands share a name, and every name begins with a slash."""
    names = [name for command in COMMANDS for name in command.names]
    assert len(names) == len(set(names)) == len(NAMES)
    assert all(re.fullmatch(r"/[a-z]+|/[^a-z\s]{1,2}", name) for name in names)


def test_every_command_is_helped(home: Path) -> None:
    """``/help NAME`` explains a command, by any of its names, with or without the slash."""
    with chatting(home) as c:
        for command in COMMANDS:
            for name in command.names:
                assert command.help in c.type(f"/help {name}")
            assert command.usage in c.type(f"/? {command.name[1:]}")


def test_arguments_nobody_asked_for_are_refused(home: Path) -> None:
    """A command without arguments says so, and does nothing."""
    with chatting(home) as c:
        for command in COMMANDS:
            if not command.arguments:
                assert "takes no argument" in c.type(f"{command.name} please")
        assert c.said == []


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.name != "/exit"], ids=lambda c: c.name)
def test_no_command_ends_the_chat(home: Path, command: SlashCommand) -> None:
    """Whatever a command is given, in an empty chat, it prints lines, and the chat goes on."""
    with chatting(home, {"EDITOR": "true"}) as c:
        for argument in ("", "nonsense", "'", "9" * 23):
            c.type(f"{command.name} {argument}")
            c.chat.draft = ""
        c.chat.attachments.clear()
        c.type("still there")
        assert c.said[-1].endswith("still there")


def test_help_lists_commands_keys_and_the_rule(home: Path) -> None:
    """The one table, and what a line with a slash means."""
    with chatting(home) as c:
        shown = c.type("/help")
    assert all(command.usage in shown for command in COMMANDS)
    assert "Ctrl-R" in shown
    assert "Begin a message with // to send a slash" in shown


def test_an_unknown_command_sends_nothing(home: Path) -> None:
    """The nearest is named."""
    with chatting(home) as c:
        assert "did you mean /regen?" in c.type("/regn")
        assert "unknown command /frobnicate" in c.type("/frobnicate now")
        assert c.said == []
        c.type("/etc/hosts", "//slash")
        assert c.said[::2] == ["/etc/hosts", "/slash"]


@pytest.mark.parametrize("name", ["/exit", "/quit", "/bye"])
def test_leaving(home: Path, name: str) -> None:
    """All names leave at once."""
    with chatting(home) as c:
        c.press(f"{name}\r")
        assert c.chat.leaving


def test_regenerating_and_siblings(home: Path) -> None:
    """Answers are numbered; going to another one changes where the chat goes on."""
    with chatting(home) as c:
        shown = c.type("hi", "/regen", "/regenerate")
        assert "answer 2 of 2" in shown
        assert "answer 3 of 3" in shown
        last = c.said[-1]
        shown = c.type("/siblings")
        assert "> 3" in shown
        c.type("/siblings 1")
        first = c.said[-1]
        c.type("/siblings next")
        assert c.said[-1] not in {first, last}
        c.type("/siblings back")
        assert c.said[-1] == first
        c.type("/siblings back")  # around
        assert c.said[-1] == last
        c.type("on", "/regen", "/regen", "/regen", "/siblings at 2 1")
        assert c.said[1] == first
        assert "from 1 to 3" in c.type("/siblings at 2 4")
        assert "no message 9" in c.type("/siblings at 9")


def test_undo_gives_the_message_back(home: Path) -> None:
    """It stands in the line again, to be changed and sent."""
    with chatting(home) as c:
        c.type("one", "two")
        c.press("/undo\r!\r\x04")
        assert c.said[::2] == ["one", "two!"]


def test_editing(home: Path, tmp_path: Path) -> None:
    """One's own message is asked anew, an answer is replaced, an unchanged one left alone."""
    change = editor_that(tmp_path, 'printf changed > "$1"')
    with chatting(home, {"EDITOR": change}) as c:
        c.type("one", "two", "/edit")
        assert c.said[2] == "changed"
        c.type("/edit 1")
        assert c.said[0] == "changed"
        assert len(c.said) == 2
        assert "goes on from the edited answer" in c.type("/edit 2")
        assert c.said == ["changed", "changed"]
        assert "(unchanged)" in c.type("/edit 2")
    with chatting(home, {"EDITOR": editor_that(tmp_path, ': > "$1"')}) as c:
        assert "empty; nothing was changed" in c.type("one", "/edit")
        assert c.said[0] == "one"


def test_continuing(home: Path) -> None:
    """An answer that reached its longest goes on where it was cut, shown as a whole."""
    with chatting(home) as c:
        c.type("/set max_tokens 3", "count to 5")
        assert c.said[-1] != "1 2 3 4 5"
        c.type("/set max_tokens default")
        shown = c.type("/continue")
        assert c.said[-1] == "1 2 3 4 5"
        assert "1 2 3 4 5" in shown
        assert "the last answer is complete" in c.type("/continue")


def test_conversations(home: Path) -> None:
    """New, named, copied, and found again by any of its names."""
    with chatting(home) as c:
        c.type("/system Be kind.", "one", "/rename The first")
        first = c.chat.session.conversation.id
        shown = c.type("/clear")
        assert first in shown
        assert c.said == []
        c.type("two", "/fork", "three")
        assert c.said[:2] == ["Be kind.", "two"]
        assert c.chat.session.conversation.id != first
        shown = c.type(f"/load {first}")
        assert "The first" in shown
        assert "I heard: one" in shown
        assert "is already open" in c.type("/load " + first[-5:])
        assert "there is no conversation" in c.type("/load nowhere")
        assert "The first" in load([(c.chat.session.transcript or Path()).read_bytes()]).conversation.title


def test_what_was_said_is_listed_and_shown(home: Path) -> None:
    """Numbered as ``/edit`` counts; one message or all in full; alternatives are counted."""
    with chatting(home) as c:
        assert "this chat is empty" in c.type("/history")
        long = "a message that is much longer than what fits into one line of a list, so it is cut"
        c.type("/system Be kind.", "one", "/regen", long)
        shown = c.type("/history")
        assert re.search(r"1\W+you\W+one\b", shown)
        assert re.search(r"2\W+answer\W.*\+1", shown)
        assert "Be kind." not in shown
        assert long not in shown
        assert f"> {long}" in c.type("/history 3")
        assert c.said[-1] in c.type("/history 4")
        shown = c.type("/history all")
        assert all(text in shown for text in c.said[1:])
        assert "no message 9" in c.type("/history 9")


def test_reasoning_is_shown_afterwards(home: Path) -> None:
    """That of the last answer or of any; Ctrl-O on an empty line is short for it."""
    with chatting(home) as c:
        assert "there is no answer yet" in c.type("/reasoning")
        c.chat.screen.show_thinking = False
        shown = c.type("think about rain")
        assert "8 words; /reasoning shows them" in shown
        assert "not hard" not in shown
        assert "The subject is rain\nThat was not hard." in c.type("/reasoning")
        assert "not hard" in c.press("\x0f\x04")
        assert "not hard" not in c.press("x\x0f\x15\x04")
        c.type("hi")
        assert "the last answer has no reasoning" in c.type("/reasoning")
        assert "not hard" in c.type("/reasoning 2")
        assert "message 1 has no reasoning" in c.type("/reasoning 1")


def test_searching_all_chats(home: Path) -> None:
    """By what was said in any of them; what makes no sense is explained."""
    with chatting(home) as c:
        c.type("tell me of penguins", "/rename Birds", "/clear", "rice")
        shown = c.type("/search penguins role:user")
        assert re.search(r"\S+  Birds\n  1 user: tell me of penguins\n", shown)
        assert "nothing found" in c.type("/search nowhere")
        assert "/search needs" in c.type("/search")
        assert "after" in c.type("/search after:never")


def test_the_system_prompt(home: Path) -> None:
    """Shown, changed, taken away; several lines in a block."""
    with chatting(home) as c:
        assert "(no system prompt)" in c.type("/system")
        c.type('/system """one\n/two"""', "hi")
        assert c.said[0] == "one\n/two"
        assert "/two" in c.type("/show system")
        c.type("/set system three")
        assert c.chat.session.options.system == "three"
        c.type("/system none")
        assert c.chat.session.options.system is None


def test_parameters(home: Path) -> None:
    """Every way of writing them; what is in force is shown with where it came from."""
    with chatting(home) as c:
        c.type("/set parameter top_k 3", "/set temperature=0.5", "/set min_p  0.1", '/set stop="a b"')
        assert c.chat.session.options.sampling == {
            "top_k": 3,
            "temperature": 0.5,
            "min_p": 0.1,
            "stop": ("a b",),
        }
        shown = c.type("/show parameters")
        assert re.search(r"top_k\W+3\W+set", shown)
        assert "did you mean temperature" in c.type("/set temprature 1")
        assert "needs a value" in c.type("/set top_k")
        c.type("/set nothink")
        assert c.chat.session.options.thinking is False
        c.type("/think")
        assert c.chat.session.options.thinking is True


def test_models(home: Path) -> None:
    """Listed; another one answers from the next message on; one that does not exist is refused at once."""
    with chatting(home) as c:
        assert "> scripted:" in c.type("/model")
        c.type("hi", "/model scripted:context=500", "again")
        assert c.chat.session.engine().context_size == 500
        assert len(c.said) == 4
        assert "there is no model" in c.type("/model nosuch")
        assert c.chat.session.engine.settings.model == "scripted:context=500"
        assert "is already in use" in c.type("/model scripted:context=500")
        c.type("/model scripted:/nowhere")
        assert "going back to" in c.press("hello\r\x03\x04")  # what was not sent stands in the line
        c.type("on we go")
        assert c.said[-1].endswith("on we go")


def test_personas(home: Path) -> None:
    """A persona is system prompt, model and parameters at once; none takes them off."""
    (home / "config.toml").write_text(
        '[sampling]\ntop_k = 7\n[personas.brief]\nsystem = "Short."\ntemperature = 0.25\n'
        'model = "scripted:context=300"\n'
    )
    with chatting(home) as c:
        assert "brief" in c.type("/persona")
        c.type("/persona brief", "hi")
        assert c.said[0] == "Short."
        assert c.chat.session.last is not None
        assert c.chat.session.last.parameters.temperature == 0.25
        assert c.chat.session.options.sampling == {"top_k": 7, "temperature": 0.25}
        assert "there is no persona 'x'; known are brief" in c.type("/persona x")
        c.type("/persona none")
        assert c.chat.session.options.sampling == {"top_k": 7}
        assert c.chat.session.options.system is None


def test_files_go_into_the_next_message(home: Path, tmp_path: Path) -> None:
    """Counted before they are sent, once; refused when they do not fit; taken out again."""
    file = tmp_path / "a b.txt"
    file.write_text("content of it\n")
    with chatting(home) as c:
        c.chat.session.engine()
        shown = c.type(f"/read '{file}'")
        assert re.search(r"\d+ tokens of 4096", shown)
        c.type("what is it?")
        assert c.said[0] == f"what is it?\n\nFile {file}:\n```\ncontent of it\n```"
        c.type("and?")
        assert c.said[2] == "and?"
        file.write_text("word " * 9000)
        assert "context holds 4096" in c.type(f'/file "{file}"')
        file.write_text("short")
        assert "a b.txt" in c.type(f"/read '{file}'", "/read")
        c.type("/read --drop", "clean")
        assert c.said[-2] == "clean"
        assert "/read needs" in c.type("/read")


def test_a_message_that_was_not_answered_keeps_its_files(home: Path, tmp_path: Path) -> None:
    """They go with it when it is sent again."""
    (tmp_path / "f").write_text("x")
    with chatting(home) as c:
        c.type(f"/read {tmp_path}/f", "/model scripted:/nowhere")
        c.press("look\r\x03\x04")
        assert [a.name for a in c.chat.attachments] == [f"{tmp_path}/f"]
        c.chat.draft = ""
        c.type("look")
        assert "File " in c.said[0]


def test_saving_and_exporting(home: Path, tmp_path: Path) -> None:
    """The answer, the chat, in each format; nothing is ever overwritten."""
    with chatting(home) as c:
        assert "there is no answer yet" in c.type(f"/save {tmp_path}/x")
        assert "this chat is empty" in c.type(f"/export {tmp_path}/x.md")
        c.type("hi <user>", f"/save {tmp_path}/answer")
        assert (tmp_path / "answer").read_text() == "I heard: hi <user>\n"
        c.type(f"/save --all '{tmp_path}/the chat'", f"/export {tmp_path}/c.txt")
        for name in ("the chat", "c.txt"):
            read = load([(tmp_path / name).read_bytes()]).conversation
            assert [m.content for m in read.messages()] == c.said
        c.type("/rename A <b>title</b>")
        conversation = c.chat.session.conversation
        for name, kind in (
            ("c.md", ""),
            ("c.html", ""),
            ("c.json", ""),
            ("d", "trl"),
            ("e.json", "sharegpt"),
        ):
            assert "wrote the chat to" in c.type(f"/export {tmp_path}/{name} {kind}")
            wanted = "".join(render_as(conversation, kind or SUFFIXES[f".{name[2:]}"]))
            assert (tmp_path / name).read_text() == wanted
        assert "&lt;b&gt;title" in (tmp_path / "c.html").read_text()
        c.type(f"/export {tmp_path}/all raw")
        assert (tmp_path / "all").read_bytes() == (c.chat.session.transcript or Path()).read_bytes()
        assert "unknown format 'x'; choose one of bare" in c.type(f"/export {tmp_path}/g x")
        assert "exists already" in c.type(f"/save {tmp_path}/answer")
        assert ".pdf files have no known format" in c.type(f"/export {tmp_path}/c.pdf")
        assert "cannot be written" in c.type(f"/save {tmp_path}/no/such/folder")


def write_transcript(home: Path, *answers: str) -> str:
    """A script of one question and its answer, and the model that answers from it."""
    file = home / "script.txt"
    file.write_text("".join(f"<user>go</user>\n<bot>{answer}</bot>\n" for answer in answers))
    return f"scripted:{file}"


def clipboard(tmp_path: Path) -> dict[str, str]:
    """Variables of a desktop with a clipboard tool, which writes into a file."""
    tool = tmp_path / "bin" / "xclip"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\ncat > "{tmp_path}/clipboard"\n')
    tool.chmod(0o755)
    return {"PATH": f"{tool.parent}:/bin:/usr/bin", "DISPLAY": ":9"}


def test_copying(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer, or its code; where there is no clipboard that is said."""
    variables = clipboard(tmp_path)
    monkeypatch.setenv("PATH", variables["PATH"])
    model = write_transcript(home, "See:\n\n```py\nprint(1)\n```\n- and\n  ```\n  two\n  ```\n")
    with chatting(home, variables) as c:
        c.type(f"/model {model}", "go")
        copied = tmp_path / "clipboard"
        for argument, text in (("", c.said[-1]), (" code", "two\n"), (" code 1", "print(1)\n")):
            assert "to the clipboard, by xclip" in c.type(f"/copy{argument}")
            assert copied.read_text() == text
        assert "no code block 3" in c.type("/copy code 3")
        assert "/copy takes" in c.type("/copy everything")
    with chatting(home, {"PATH": str(tmp_path)}) as c:
        assert "no clipboard can be reached" in c.type("hi", "/copy")
        assert "has no code block" in c.type("/copy code")


def test_what_the_model_sees(home: Path) -> None:
    """The numbers of the bar add up to the prompt; messages that left are said."""
    with chatting(home) as c:
        assert "this chat is empty" in c.type("/context")
        c.type("/system Be kind.", "one two three", "/tokens")
        shown = c.type("/context")
        assert re.search(r"1 you: one two three\s+3", shown)
        prompt = c.chat.session.preview(None)
        assert re.search(rf"used\s+{len(prompt.tokens)}\b", shown)
        shown = c.type("/model scripted:context=60", *(f"message number {n}" for n in range(6)))
        assert re.search(r"\[\d+ oldest messages? no longer fits? the context; the model does not see", shown)
        assert "no longer fit" in c.type("/context")


def test_facts(home: Path) -> None:
    """About model, chat and speed."""
    with chatting(home) as c:
        assert "there is no answer yet" in c.type("/stats")
        c.type("hi")
        shown = c.type("/show info")
        assert "scripted:" in shown
        assert c.chat.session.conversation.id in shown
        assert "tokens/s" in c.type("/stats") or "answer" in c.type("/stats")
        assert "/show takes info, system, template, parameters" in c.type("/show")
        assert "no template" in c.type("/show template")


def complete(c: Chatting, line: str) -> list[str]:
    """What Tab offers at the end of a line."""
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    from chatcli.terminal.prompt.completion import CommandCompleter

    return [x.text for x in CommandCompleter(c.chat).get_completions(Document(line), CompleteEvent())]


def test_completion(home: Path, tmp_path: Path) -> None:
    """Commands, and what each may be given: from the same table, and from what is there."""
    (home / "config.toml").write_text('[personas.brief]\nsystem = "x"\n')
    (tmp_path / "my file.txt").touch()
    (tmp_path / "folder").mkdir()
    with chatting(home) as c:
        c.type("hi", "/rename A title")
        name = c.chat.session.conversation.id
        assert complete(c, "/reg") == ["/regen", "/regenerate"]
        assert complete(c, "/help /und") == ["/undo"]
        assert complete(c, "/set temp") == ["temperature"]
        assert complete(c, "/set parameter top_") == ["top_k", "top_p"]
        assert complete(c, "/set pa") == ["parameter"]
        assert complete(c, "/show s") == ["system"]
        assert complete(c, "/model lk") == ["lkjsxclm"]
        assert complete(c, "/persona ") == ["brief"]
        assert complete(c, "/load ") == [name]
        assert complete(c, f"/read {tmp_path}/my") == ["my\\ file.txt"]
        assert complete(c, f"/read {tmp_path}/my\\ fi") == ["my\\ file.txt"]
        assert "folder/" in complete(c, f"/read x {tmp_path}/")
        for nothing in ("hello", "/nosuch ", "/undo ", "/read /no/such/", "a\n/re", "/read \0/"):
            assert complete(c, nothing) == []


def test_a_title_cannot_reach_the_terminal_through_completion(home: Path) -> None:
    """What is shown beside a name is harmless."""
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    from chatcli.terminal.prompt.completion import CommandCompleter

    with chatting(home) as c:
        c.type("hi")
        c.chat.session.rename("\x1b]52;c;aGk=\x07\x9b31m")
        offered = CommandCompleter(c.chat).get_completions(Document("/load "), CompleteEvent())
        metas = [x.display_meta_text for x in offered]
        assert metas
        assert not any(set(meta) & set("\x1b\x07\x9b") for meta in metas)


def test_the_terminal_is_asked_for_the_clipboard(tmp_path: Path) -> None:
    """OSC 52 holds the text as base64 only; a text that is too long for it is not cut."""
    import io

    from chatcli.errors import ChatcliError
    from chatcli.terminal.commands.files import copy_text

    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Tty()
    nasty = "\x1b]52;c;\x07 é \ud800"
    assert copy_text(nasty, out, {"PATH": str(tmp_path), "TERM": "xterm"}) == "the terminal"
    match = re.fullmatch(r"\x1b\]52;c;([A-Za-z0-9+/=]+)\x07", out.getvalue())
    assert match
    assert base64.b64decode(match[1]).decode() == nasty.replace("\ud800", "?")
    with pytest.raises(ChatcliError):
        copy_text("x" * 100_000, out, {"PATH": str(tmp_path), "TERM": "xterm"})
