"""The documentation says what the code does."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from chatcli.cli.main import app
from chatcli.terminal.commands.table import COMMANDS
from docs.generate import PARTS, ROOT, filled, subcommands

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("[bm]*/README.md")])


@pytest.mark.parametrize("name", PARTS)
def test_generated_parts_are_up_to_date(name: str) -> None:
    """What is generated from the code is as the code says; else run ``python -m docs.generate``."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert filled(text, PARTS[name]) == text


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link names a file that is there."""
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        assert "://" in target or (path.parent / target).exists(), f"{path.name}: {target}"


def test_every_command_and_option_has_help() -> None:
    """Nothing is left to guessing."""
    pending = [typer.main.get_command(app)]
    while pending:
        command = pending.pop()
        assert command.help, command.name
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{command.name}: {parameter.name}"
        pending += subcommands(command).values()


def test_slash_commands_are_declared_once() -> None:
    """No name is taken twice; each begins with a slash or is a thumb; each has help."""
    names = [name for command in COMMANDS for name in command.names]
    assert len(names) == len(set(names))
    assert all(command.help and command.name.startswith("/") for command in COMMANDS)


def test_ci_runs_readmes_own_command() -> None:
    """What CI runs is what a reader pastes: README's second command, one line."""
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "readme_command.py"), "tests"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "pytest" in done.stdout
    assert "readme_command.py tests" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_declared_dependency_is_pinned() -> None:
    """constraints.txt pins every dependency of pyproject.toml; else run ``bash .ci/versions pin``."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        declared = tomllib.load(file)
    project = declared["project"]
    wanted = [*project["dependencies"], *declared["build-system"]["requires"]]
    for more in (*project["optional-dependencies"].values(), *declared["dependency-groups"].values()):
        wanted += more
    names = {re.split(r"[\[<>=]", requirement)[0] for requirement in wanted}
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.match(r"[a-z0-9-]+==\d", pin) for pin in pins)
    assert names <= {pin.partition("==")[0] for pin in pins}
