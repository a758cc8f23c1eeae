"""``chatcli config``, and what the shell completes."""

import json
import re
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from chatcli.cli.config import commented_config
from chatcli.errors import ExitCode
from chatcli.sampling import SamplingParams
from chatcli.settings import Settings, load_settings, setting_help
from tests.program import run


def test_a_file_to_begin_with(home: Path) -> None:
    """It changes nothing as it is, is private, and is never overwritten."""
    done = run(home, "config", "init")
    file = home / "config.toml"
    assert done.stdout == f"{file}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_settings({}, {}, file) == load_settings({}, {})
    file.write_text("log = false\n")
    again = run(home, "config", "init")
    assert again.code == ExitCode.USAGE
    assert "exists; edit it" in again.stderr
    assert file.read_text() == "log = false\n"


def test_every_setting_stands_in_it_ready_to_be_used() -> None:
    """With the comment signs taken off, it is a valid file with every setting and parameter."""
    text = re.sub(r"(?m)^#(?=\S)", "", commented_config())
    table = tomllib.loads(text)
    assert set(table) == {*setting_help(), "sampling", "personas"}
    assert set(table["sampling"]) == {f.name for f in fields(SamplingParams)}


def test_it_can_be_used(tmp_path: Path) -> None:
    """The examples are values that are accepted."""
    file = tmp_path / "config.toml"
    file.write_text(re.sub(r"(?m)^#(?=\S)", "", commented_config()))
    settings = load_settings({}, {}, file)
    assert settings.persona == "brief"
    assert settings.sampling["stop"] == ("###",)
    assert settings.keys == Settings().keys


def test_show_says_where_values_come_from(home: Path) -> None:
    """Flag, variable, file, persona or default; as a table and as JSON."""
    (home / "config.toml").write_text(
        'assistant_name = "bot"\n[sampling]\ntop_k = 3\n[personas.brief]\nsystem = "Short."\n'
    )
    arguments = ("config", "show", "-t", "0.5", "-p", "brief")
    done = run(home, *arguments, "--json", env={"CHATCLI_THREADS": "2"})
    record = json.loads(done.stdout)
    assert record["temperature"] == {"value": 0.5, "origin": "flag"}
    assert record["threads"] == {"value": 2, "origin": "CHATCLI_THREADS"}
    assert record["top_k"] == {"value": 3, "origin": "config.toml"}
    assert record["system"] == {"value": "Short.", "origin": "persona brief"}
    assert record["log"] == {"value": True, "origin": "default"}
    assert record["personas"] == {"brief": {"system": "Short."}}
    shown = run(home, *arguments).stdout
    assert re.search(r"^temperature +flag +0\.5$", shown, re.MULTILINE)
    assert "persona brief: system = Short." in shown


def test_path_and_wrong_words(home: Path) -> None:
    """``path`` prints it; anything else is one line."""
    assert run(home, "config", "path").stdout == f"{home / 'config.toml'}\n"
    for arguments in (
        ["config"],
        ["config", "frob"],
        ["ask", "-c", "-r", "x", "hi"],
        ["-p", "x", "ask", "hi"],
    ):
        done = run(home, *arguments)
        assert done.code == ExitCode.USAGE
        assert done.stderr.count("\n") == 1
        assert len(done.stderr) > len("chatcli:  (--help lists the options)\n")


def completed(home: Path, line: str) -> str:
    """What the shell is told at the end of a line."""
    words = line.split(" ")
    env = {"_CHATCLI_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return run(home, env=env).stdout


def test_the_shell_completes_names(home: Path) -> None:
    """Models, personas and the newest conversations."""
    (home / "config.toml").write_text('[personas.brief]\nsystem = "x"\n')
    run(home, "ask", "-m", "scripted:", "hi")
    (file,) = (home / "transcripts").rglob("*.txt")
    assert completed(home, "chatcli -m lk").split() == ["lkjsxclm"]
    assert completed(home, "chatcli ask --persona br").split() == ["brief"]
    assert completed(home, "chatcli -r 20").split() == [file.stem]
    (home / "config.toml").write_text("broken [")
    assert completed(home, "chatcli --persona br").strip() == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_how_to_complete(home: Path, shell: str) -> None:
    """``--show-completion`` prints a script for the shell."""
    done = run(home, "--show-completion", shell)
    assert done.code == 0
    assert "_CHATCLI_COMPLETE" in done.stdout


def test_completing_loads_nothing_heavy(home: Path) -> None:
    """A press of Tab must not wait for llama.cpp or the line editor."""
    import subprocess

    from tests.program import environment

    code = (
        "import sys\nfrom chatcli.cli import completion\n"
        "completion.models(''), completion.transcripts(''), completion.personas('')\n"
        "heavy = {'llama_cpp', 'prompt_toolkit', 'huggingface_hub', 'numpy', 'jinja2'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(home), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
