"""An engine that is registered works in the whole program, though it has no optional capability."""

import json
import sys
from pathlib import Path

import pytest

from chatcli.engine import base
from chatcli.engine.base import no_vision_reason
from chatcli.engine.registry import is_local, kind_of, register
from chatcli.engine.scripted.engine import ScriptedEngine
from chatcli.errors import ExitCode
from chatcli.feedback.records import Comparison
from chatcli.session.engine_slot import EngineSlot
from chatcli.session.session import Session
from chatcli.settings import Settings
from chatcli.storage.transcripts.store import TranscriptStore
from chatcli.terminal.status import status_line
from tests.engine.toy_engine import KIND, NAMES, ToyEngine
from tests.feedback.kept import kept_records
from tests.pictures import picture_file
from tests.program import ROOT, Run, Terminal, run

TOY = [sys.executable, "-c", "import runpy; runpy.run_module('tests.engine.toy_engine', run_name='__main__')"]
_PATH = {"PYTHONPATH": str(ROOT)}
_CAPABILITIES = (
    base.CountsTokens,
    base.KeepsState,
    base.SeesPictures,
    base.ScoresText,
    base.EmbedsText,
    base.TakesAdapter,
    base.HasChatTemplate,
)


def toy(home: Path, *arguments: str) -> Run:
    """Run chatcli with the toy engine, in a pipe."""
    return run(home, *arguments, command=TOY, env=_PATH)


def toy_terminal(home: Path, *arguments: str) -> Terminal:
    """Run chatcli with the toy engine, in a terminal."""
    return Terminal(home, *arguments, command=TOY, env=_PATH, size=(100, 60))


def say(terminal: Terminal, line: str, answer: str) -> str:
    """Type a line at an empty prompt and wait for the answer."""
    before = len(terminal.wait_for(lambda text: text.endswith("\n>")))
    terminal.send(f"{line}\r")
    return terminal.wait_for(lambda text: answer in text[before:])


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("scripted:", "scripted:"),
        ("Scripted:a.txt", "scripted:"),
        ("scripted", None),
        ("hf:user/repo", None),
        ("llama3.2:1b", None),
        ("C:\\models\\m.gguf", None),
        ("", None),
    ],
)
def test_a_name_means_a_kind_by_its_prefix(name: str, prefix: str | None) -> None:
    """Every name without a registered prefix is a model file."""
    kind = kind_of(name)
    assert (kind.prefix if kind else None) == prefix
    assert is_local(name)


def test_capabilities_are_told_apart() -> None:
    """The toy engine has none of them; the scripted one has those it implements, and no other."""
    toy, scripted = ToyEngine("toy:anna"), ScriptedEngine()
    assert not any(isinstance(toy, capability) for capability in _CAPABILITIES)
    assert no_vision_reason(toy) == "this engine reads text only"
    assert [isinstance(scripted, capability) for capability in _CAPABILITIES] == [True] * 3 + [False] * 4
    assert no_vision_reason(scripted) == ""


def test_ask(home: Path, tmp_path: Path) -> None:
    """It answers, its counts are unknown, and what it cannot do is refused in a line."""
    assert toy(home, "ask", "-m", "toy:anna", "hi").stdout == "ANNA on hi\n"
    told = json.loads(toy(home, "ask", "-m", "toy:anna", "--json", "hi").stdout)
    assert (told["answer"], told["usage"], told["finish_reason"]) == ("ANNA on hi", None, "end")
    shown = toy(home, "ask", "-m", "toy:anna", "--show-prompt", "hi")
    assert shown.code == ExitCode.USAGE
    assert shown.stderr.endswith("cannot show its prompt: this engine does not count tokens\n")
    seen = toy(home, "ask", "-m", "toy:anna", "-i", str(picture_file(tmp_path / "cat.png")), "hi")
    assert "this engine reads text only" in seen.stderr
    assert seen.code == ExitCode.MODEL
    assert toy(home, "ask", "-m", "toy:bert", "-c", "more").stdout == "BERT on more\n"


def test_the_doctor_tries_no_file(home: Path) -> None:
    """It checks the name instead."""
    told = json.loads(toy(home, "doctor", "-m", "toy:anna", "--json").stdout)
    assert told["model"] == {"name": "toy:anna", "outcome": "ok", "reason": "needs no file"}
    wrong = json.loads(toy(home, "doctor", "-m", "toy:carl", "--json").stdout)
    assert "toy:anna, toy:bert" in wrong["model"]["reason"]


def test_the_shell_completes_its_names(home: Path) -> None:
    """Beside the names of model files."""
    asked = {**_PATH, "COMP_WORDS": "chatcli ask -m toy:", "COMP_CWORD": "3"}
    named = f"import sys; sys.argv[0] = 'chatcli'; {TOY[2]}"
    done = run(home, command=[TOY[0], "-c", named], env={**asked, "_CHATCLI_COMPLETE": "complete_bash"})
    assert set(NAMES) <= set(done.stdout.split())


def test_a_chat(home: Path) -> None:
    """A whole chat: what needs tokens says that there are none, and everything else works."""
    with toy_terminal(home, "-m", "toy:anna") as t:
        for command, answer in (
            ("hello", "ANNA on hello"),
            ("/context", "the engine of toy:anna does not count tokens"),
            ("/stats", "not counted by this engine"),
            ("/show info", "no: this engine reads text only"),
            ("/show template", "has no template to show"),
            (f"/read {ROOT}/LICENSE", "tokens; /read --drop"),
            ("/read --drop", "no files are attached"),
            ("/regen", "ANNA on hello"),
            ("/model toy:carl", "there is no toy:carl; there are toy:anna, toy:bert"),
            ("/model", "> toy:anna"),
            ("/model toy:bert", "the chat goes on with toy:bert"),
            ("again", "BERT on again"),
        ):
            say(t, command, answer)
        t.send("\x04")
        assert t.wait_for_exit() == ExitCode.OK


def test_the_status_line_has_no_gauge(tmp_path: Path) -> None:
    """It says where the model runs; nothing is counted, so nothing is claimed."""
    register(KIND)
    with EngineSlot(lambda settings, *_: ToyEngine(settings.model), Settings(model="toy:anna")) as slot:
        session = Session(slot, TranscriptStore(tmp_path))
        status = status_line(session, slot, lambda: 80)
        slot()
        assert status() == " toy:anna · not on this machine"
        list(session.send("hello"))
        assert status() == " toy:anna · not on this machine"
        assert session.conversation.messages()[-1].content == "ANNA on hello"
        session.close()


def test_compare(home: Path) -> None:
    """Two of them answer the same message, and the choice is kept."""
    with toy_terminal(home, "-m", "toy:anna") as t:
        say(t, "hello", "ANNA on hello")
        say(t, "/compare toy:bert", "s skip")
        t.send("1")
        shown = t.wait_for("/siblings has all answers")
        t.send("\x04")
        t.wait_for_exit()
    assert "0 tokens" not in shown
    (record,) = kept_records(home)
    assert isinstance(record, Comparison)
    assert {answer.model_name for answer in record.answers} == {"toy:anna", "toy:bert"}


def test_the_arena(home: Path, tmp_path: Path) -> None:
    """Duels between two of them are judged and counted."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("alpha\nbeta\n", encoding="utf-8")
    with toy_terminal(home, "arena", str(prompts), "--contender", "toy:anna", "--contender", "toy:bert") as t:
        for word in ("alpha", "beta"):
            t.wait_for(lambda text, w=word: f" on {w}" in text and text.endswith("quit"))  # type: ignore[misc]
            t.send("t")
        assert t.wait_for_exit() == ExitCode.OK
        assert "2 of 2 duels are judged" in t.scrollback
    assert len(kept_records(home)) == 2


def test_an_unknown_contender_is_refused_before_the_first_duel(home: Path, tmp_path: Path) -> None:
    """As with a model file that is not there."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("alpha\n", encoding="utf-8")
    done = toy(home, "arena", str(prompts), "--contender", "toy:anna", "--contender", "toy:carl")
    assert done.code == ExitCode.MODEL
    assert "there is no toy:carl" in done.stderr
    assert done.stderr.count("\n") == 1
