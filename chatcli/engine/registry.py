"""Engine kinds: which engine a model name means.

A name that begins with the prefix of a registered kind, such as ``scripted:answers.txt``, means that kind.
Every other name means a model file on this machine, which llama.cpp runs. Model files are not registered,
because this room does not know where they are: ``library/opening.py`` finds and opens them. The rest of the
program asks that module about every name, and need not know which kind it gets.

A new engine is a folder in ``engine/`` and one ``register`` below.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from chatcli.engine.base import Cancellation, Engine, Progress, Tell
from chatcli.settings import Paths, Settings


def _ignore(_: object) -> None:
    """No-op."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Everything an engine is opened with. Both callbacks are called in the opening thread."""

    settings: Settings  # settings.model is the whole name, with its prefix
    paths: Paths
    environ: Mapping[str, str]
    on_progress: Progress = _ignore
    cancel: Cancellation = field(default_factory=Cancellation)
    tell: Tell = _ignore


@dataclass(frozen=True, slots=True)
class EngineKind:
    """A kind of engine.

    Attributes:
        prefix: how its names begin, in lower case with the colon: ``scripted:``.
        open: opens the engine that ``settings.model`` names; raises a ``ChatcliError`` if it cannot.
        check: raises a ``ChatcliError`` if ``settings.model`` cannot be opened, without opening it.
        names: complete names to offer for completion and in lists of models.
        local: whether the model runs on this machine. If not, the status line says so.
    """

    prefix: str
    open: Callable[[Opening], Engine]
    check: Callable[[Settings], None] = _ignore
    names: Callable[[Settings], Iterable[str]] = lambda _settings: ()
    local: bool = True


_KINDS: dict[str, EngineKind] = {}


def register(kind: EngineKind) -> None:
    """Add a kind of engine, or replace the one with the same prefix."""
    _KINDS[kind.prefix] = kind


def kinds() -> Iterable[EngineKind]:
    """Every registered kind."""
    return _KINDS.values()


def kind_of(name: str) -> EngineKind | None:
    """The kind that a model name means. None if the name means a model file."""
    prefix, colon, _ = name.partition(":")
    return _KINDS.get(prefix.lower() + colon)


def is_local(name: str) -> bool:
    """Whether the model of this name runs on this machine."""
    kind = kind_of(name)
    return kind is None or kind.local


def _open_scripted(opening: Opening) -> Engine:
    from chatcli.engine.scripted.engine import ScriptedEngine

    return ScriptedEngine.open(opening.settings.model)


register(EngineKind("scripted:", _open_scripted))
