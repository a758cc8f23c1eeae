"""``chatcli config``: print the settings and their file, or write a commented config.toml."""

import json
import os
import typing
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import typer

from chatcli.cli.invocation import Invocation
from chatcli.cli.options import AsJson, ModelOptions, takes_model_options
from chatcli.errors import UsageError
from chatcli.sampling import SamplingParams
from chatcli.settings import PERSONA_SETTINGS, Settings, setting_help

app = typer.Typer()


@app.command("path")
def path() -> None:
    """Print the path of config.toml, whether it exists or not."""
    invocation = Invocation.from_process()
    invocation.write(f"{invocation.paths.config_file}\n")


@app.command("init")
def init() -> None:
    """Write a config.toml that lists every setting with its default, commented out."""
    from chatcli.files.replace import atomic_write

    invocation = Invocation.from_process()
    file = invocation.paths.config_file
    if os.path.lexists(file):
        raise UsageError(f"{file} exists; edit it, or move it away first")
    atomic_write(file, commented_config().encode())
    invocation.write(f"{file}\n")


@app.command("show")
@takes_model_options
def show(
    context: typer.Context,
    as_json: AsJson = False,
    options: ModelOptions = ModelOptions(),  # noqa: B008  (frozen)
) -> None:
    """Print every setting, its source and its value."""
    from chatcli.cli.transcripts.page import Page
    from chatcli.terminal.theme import PLAIN

    invocation = Invocation.from_process()
    settings = options.settings(invocation.environ, invocation.paths)
    rows = list(_rows(settings))
    if as_json:
        record: dict[str, Any] = {name: {"value": value, "origin": origin} for name, value, origin in rows}
        record["personas"] = {name: dict(table) for name, table in settings.personas.items()}
        invocation.write_json(record)
        return
    page = Page(invocation, settings)
    page.table([(name, origin, _shown(value)) for name, value, origin in rows])
    for name, table in settings.personas.items():
        page.line((f"persona {name}: {', '.join(f'{k} = {_shown(v)}' for k, v in table.items())}", PLAIN))
    page.show()


def commented_config() -> str:
    """Return the text of a new config.toml: all settings with help and default, commented out."""
    default = Settings()
    lines = ["# Settings of chatcli. Flags and CHATCLI_... variables override this file.", ""]
    for name, help in setting_help().items():
        value = getattr(default, name)
        example = _toml(value) if value is not None else _EXAMPLES[name]
        lines += [f"# {help}", f"#{name} = {example}", ""]
    lines += [
        "# Sampling parameters; they override those that the maker of the model recommends.",
        "#[sampling]",
    ]
    for field in fields(SamplingParams):
        value = getattr(SamplingParams(), field.name)
        example = _toml(value) if value not in (None, ()) else _EXAMPLES[field.name]
        lines.append(f"#{field.name} = {example}")
    lines += [
        "",
        f"# Persona: {', '.join(PERSONA_SETTINGS)} and sampling parameters; chatcli -p NAME or /persona NAME",
        "#[personas.brief]",
        '#system = "Answer in one sentence."',
        "#temperature = 0.2",
        "",
    ]
    return "\n".join(lines)


# Examples for settings without a default.
_EXAMPLES = {
    "system": '"You are a helpful assistant."',
    "ctx_size": "8192",
    "picture_tokens": "1024",
    "threads": "4",
    "thinking": "true",
    "persona": '"brief"',
    "seed": "42",
    "max_tokens": "1000",
    "stop": '["###"]',
    "grammar": '\'root ::= "yes" | "no"\'',
}


def _rows(settings: Settings) -> Iterator[tuple[str, Any, str]]:
    """Yield name, value and origin of every setting; an unset sampling parameter belongs to the model."""
    for name in setting_help():
        yield name, getattr(settings, name), settings.origins.get(name, "default")
    for name in typing.get_type_hints(SamplingParams):
        yield name, settings.sampling.get(name), settings.origins.get(name, "the model's")


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)  # JSON and TOML write the values of settings alike


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
