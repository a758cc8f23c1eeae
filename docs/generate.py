"""Writes the generated parts of the documentation; ``tests/test_docs.py`` compares them with the code.

A generated part stands between ``<!-- NAME -->`` and ``<!-- end of NAME -->``. It has texts of this project,
none of a library, so every version of the libraries gives the same text. Usage: python -m docs.generate
"""

import inspect
import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer

from chatcli.cli.main import LazyCommands, app
from chatcli.errors import ChatcliError, ExitCode
from chatcli.sampling import SamplingParams
from chatcli.settings import Settings, setting_help
from chatcli.terminal.commands.table import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
# Options that typer adds, with texts of its own. docs/commands.md describes them by hand.
_NOT_OURS = {"help", "install_completion", "show_completion"}


def command_reference() -> str:
    """Every command with its arguments and options."""
    return "\n".join(_command(["chatcli"], typer.main.get_command(app)))


def subcommands(command: Any) -> dict[str, Any]:
    """The commands of a group by name, imported; {} for a command that is no group."""
    if isinstance(command, LazyCommands):
        return {name: command.load(name) for name in command.commands}
    return dict(getattr(command, "commands", {}))


def _command(words: list[str], command: Any) -> Iterator[str]:
    yield f"### `{' '.join(words)}`\n\n{inspect.cleandoc(command.help)}\n"
    rows = [
        (", ".join(p.opts + p.secondary_opts), p.metavar or "", p.help)
        for p in command.params
        if p.param_type_name == "option" and p.name not in _NOT_OURS
    ]
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    if arguments:
        yield "".join(f"- `{p.metavar}`: {p.help}\n" for p in arguments)
    if rows:
        yield "| option | | |\n|---|---|---|"
        yield from (f"| `{names}` | {_cell(metavar)} | {_cell(help)} |" for names, metavar, help in rows)
        yield ""
    for name, sub in sorted(subcommands(command).items()):
        yield from _command([*words, name], sub)


def exit_codes() -> str:
    """The exit codes, and the errors that end with each."""
    errors: dict[int, list[str]] = {}
    pending: list[type[ChatcliError]] = [ChatcliError]
    while pending:
        kind = pending.pop(0)
        # Only those of errors.py: which others exist depends on what happens to be imported.
        pending += [sub for sub in kind.__subclasses__() if sub.__module__ == ChatcliError.__module__]
        first = (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")
        errors.setdefault(kind.exit_code, []).append(first[0].lower() + first[1:])
    errors[ExitCode.OK] = ["done"]
    errors[ExitCode.FAILED] = ["something failed; one line says what and what to do"]
    errors[ExitCode.INTERRUPTED] = ["interrupted (Ctrl-C); what came of the answer is kept"]
    rows = (f"| {code.value} | {'; '.join(errors[code])} |" for code in ExitCode)
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def slash_commands() -> str:
    """The commands of a chat."""
    rows = (f"| `{_cell(command.usage)}` | {_cell(command.help)} |" for command in COMMANDS)
    return "\n".join(["| command | |", "|---|---|", *rows])


def settings_table() -> str:
    """Every setting and sampling parameter."""
    help = setting_help()
    hints = typing.get_type_hints(Settings)
    rows = [
        f"| `{f.name}` | {_type(hints[f.name])} | `{_shown(f.default)}` | {_cell(help[f.name])} |"
        for f in fields(Settings)
        if f.name in help
    ]
    default = SamplingParams()
    sampling = [
        f"| `{f.name}` | {_type(kind)} | `{_shown(getattr(default, f.name))}` |"
        for f, kind in zip(
            fields(SamplingParams), typing.get_type_hints(SamplingParams).values(), strict=True
        )
    ]
    return "\n".join(
        [
            *("| setting | type | default | |", "|---|---|---|---|", *rows, ""),
            *("Sampling parameters (`chatcli/sampling.py` explains each):", ""),
            *("| parameter | type | default |", "|---|---|---|", *sampling),
        ]
    )


def _type(hint: Any) -> str:
    kinds = [k for k in (typing.get_args(hint) or (hint,)) if k is not type(None) and k is not Ellipsis]
    return {int: "whole number", float: "number", bool: "true or false"}.get(kinds[0], "text")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None or value == () else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"slash commands": slash_commands},
    "docs/commands.md": {
        "commands": command_reference,
        "exit codes": exit_codes,
        "slash commands": slash_commands,
    },
    "docs/settings.md": {"settings": settings_table},
}


def filled(text: str, parts: dict[str, Callable[[], str]]) -> str:
    """A document with its generated parts as the code says they are."""
    for name, make in parts.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        body = f"{start}\n{make()}\n{end}"
        pattern = re.escape(start) + r"(?:.*?" + re.escape(end) + ")?"
        text, count = re.subn(pattern, lambda _, body=body: body, text, count=1, flags=re.DOTALL)  # type: ignore[misc]
        if not count:
            raise SystemExit(f"there is no {start}")
    return text


def main() -> None:
    """Rewrite the documents in place."""
    for name, parts in PARTS.items():
        path = ROOT / name
        path.write_text(filled(path.read_text(encoding="utf-8"), parts), encoding="utf-8")


if __name__ == "__main__":
    main()
