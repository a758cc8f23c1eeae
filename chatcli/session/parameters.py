"""Changes how a running chat answers, by the name of a setting or of a sampling parameter."""

import shlex
import typing
from dataclasses import replace
from typing import Any

from chatcli.errors import UsageError
from chatcli.sampling import SamplingParams
from chatcli.session.session import Session
from chatcli.settings import Settings, check, coerce, refuse_unknown

#: The value that restores the model's own.
DEFAULT = "default"
#: Names that other programs use.
ALIASES = {
    "num_ctx": "ctx_size",
    "num_gpu": "gpu_layers",
    "num_predict": "max_tokens",
    "num_thread": "threads",
    "temp": "temperature",
    "think": "thinking",
}
_OF_THE_MODEL = ("ctx_size", "gpu_layers", "threads")
_OF_THE_CHAT = ("system", "thinking")


def parameter_names() -> list[str]:
    """The names that ``set_parameter`` accepts, aliases aside."""
    return [*typing.get_type_hints(SamplingParams), *_OF_THE_CHAT, *_OF_THE_MODEL]


def set_parameter(session: Session, name: str, value: str) -> str:
    """Change a parameter from the next answer on.

    Args:
        name: of a sampling parameter or a setting, or an alias; ``-`` and ``_`` are the same.
        value: as text; ``default`` restores the model's own. ``stop`` takes several strings in quotes.

    Raises:
        UsageError: there is no such parameter or it cannot have this value; nothing changed.
    """
    name = canonical(name)
    refuse_unknown([name], parameter_names(), "/set")
    unset = value.lower() == DEFAULT
    if name in _OF_THE_CHAT:
        changes: dict[str, Any] = {name: None if unset else read_value(name, value, "/set")}
        session.options = replace(session.options, **changes)
    elif name in _OF_THE_MODEL:
        settings = session.engine.settings
        changed = replace(
            settings, **{name: getattr(Settings(), name) if unset else read_value(name, value, "/set")}
        )
        check(changed)
        session.switch(changed)
        return f"{name} is {value}; the model is loading again"
    else:
        sampling = {k: v for k, v in (session.options.sampling or {}).items() if k != name}
        if not unset:
            sampling[name] = read_value(name, value, "/set")
        SamplingParams(**sampling)
        session.options = replace(session.options, sampling=sampling)
    return f"{name} is {'the default' if unset else value}"


def canonical(name: str) -> str:
    """The name of a parameter that was typed with dashes, or as other programs call it."""
    name = name.replace("-", "_")
    return ALIASES.get(name, name)


def read_value(name: str, value: str, where: str) -> Any:
    """The value of a sampling parameter or a setting; UsageError names ``where`` it was typed."""
    if name == "stop":
        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            raise UsageError(f"stop takes strings, with quotes around those with spaces: {error}") from None
    of = SamplingParams if name in typing.get_type_hints(SamplingParams) else Settings
    return coerce(name, value, typing.get_type_hints(of)[name], where)
