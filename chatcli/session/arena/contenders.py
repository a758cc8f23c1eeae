"""Contenders of a comparison: a model, the same one with other parameters, or with an adapter."""

import hashlib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import randbelow
from typing import Any

from chatcli.engine.base import Cancellation, Engine, KeepsState, Progress, TakesAdapter
from chatcli.engine.registry import kind_of
from chatcli.errors import ChatcliError, ModelError, ModelNotFound, UsageError
from chatcli.sampling import SamplingParams
from chatcli.session.engine_slot import EngineSlot, Load, LoadingEngine, Open
from chatcli.session.parameters import DEFAULT, canonical, read_value
from chatcli.settings import Settings, check, coerce, refuse_unknown

_LOADING = ("ctx_size", "gpu_layers", "threads")
_ADAPTER, _SCALE, _THINKING = "adapter", "scale", "thinking"
_SEEDS = 2**32 - 1

#: A source of an engine that may still be loading.
Supply = EngineSlot | LoadingEngine


@dataclass(frozen=True, slots=True)
class Contender:
    """A way of answering."""

    settings: Settings
    sampling: Mapping[str, Any] = field(default_factory=dict)
    thinking: bool | None = None
    adapter: Path | None = None
    scale: float = 1.0
    words: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name: the model, and what else distinguishes it."""
        return " ".join(dict.fromkeys((self.settings.model, *self.words)))

    @property
    def weights(self) -> tuple[object, ...]:
        """Equal for contenders that can share a loaded engine."""
        loading = (getattr(self.settings, name) for name in _LOADING)
        return (self.settings.model, *loading, self.adapter, self.scale)

    def parameters(self, engine: Engine) -> SamplingParams:
        """Its sampling parameters for one answer, with a fresh seed unless it has one; raises UsageError."""
        params = replace(engine.recommended, **{"seed": None, **self.sampling})
        return replace(params, seed=randbelow(_SEEDS)) if params.seed is None else params


def parse_contender(words: Sequence[str], base: Contender, where: str) -> Contender:
    """The contender that some words describe: a model, the path of an adapter, ``NAME=VALUE`` pairs.

    Args:
        base: gives everything that the words do not, except a seed.
    """
    sampling = {name: value for name, value in base.sampling.items() if name != "seed"}
    found = replace(base, sampling=sampling, words=tuple(words))
    models = []
    for word in words:
        name, equals, value = word.partition("=")
        name = canonical(name)
        if equals and (name in _names() or not _may_be_model(word)):
            found = _changed(found, name, value, where)
        elif _is_adapter(word):
            found = replace(found, adapter=Path(word).expanduser())
        else:
            models.append(word)
    if len(models) > 1:
        raise UsageError(f"{where}: {models[0]} and {models[1]} are both models; name one")
    if models:
        found = replace(found, settings=replace(found.settings, model=models[0]))
    check(found.settings)
    SamplingParams(**found.sampling)
    return found


def open_contender(contender: Contender, open_engine: Open) -> LoadingEngine:
    """Load what a contender needs, in a thread; close it to free that."""
    return LoadingEngine(_loader(contender, open_engine))


class Twin(LoadingEngine):
    """A second engine with the chat's model, so that two answers grow at once; else the chat's engine.

    Args:
        own: the chat's engine; nothing may be generating. Its state is copied, so that the second engine need
            not decode the prompt again.
    """

    def __init__(self, own: EngineSlot, contender: Contender) -> None:
        state = own.engine.save_state() if isinstance(own.engine, KeepsState) else None
        super().__init__(_loader(contender, own.open_engine, state))
        self._own = own

    def __call__(self) -> Engine:
        """The second engine, or the chat's if there is no room for two."""
        try:
            return super().__call__()
        except ModelError:
            return self._own()


def _loader(contender: Contender, open_engine: Open, state: memoryview | None = None) -> Load:
    def load(cancel: Cancellation, progress: Progress) -> Engine:
        engine = open_engine(contender.settings, cancel, progress)
        try:
            _equip(engine, contender)
            if state is not None and isinstance(engine, KeepsState):
                engine.load_state(state)
        except BaseException:
            engine.close()
            raise
        return engine

    return load


def _names() -> set[str]:
    return {*typing.get_type_hints(SamplingParams), *_LOADING, _THINKING, _ADAPTER, _SCALE}


def _may_be_model(word: str) -> bool:
    return kind_of(word) is not None or Path(word).expanduser().exists()


def _is_adapter(word: str) -> bool:
    """Whether a word is the path of a GGUF file whose header says that it is an adapter."""
    from chatcli.engine.gguf import read_header

    path = Path(word).expanduser()
    if path.suffix != ".gguf" or not path.is_file():
        return False
    try:
        return read_header(path).string("general.type") == "adapter"
    except ChatcliError:
        return False  # loading it as a model reports what is wrong


def _changed(contender: Contender, name: str, value: str, where: str) -> Contender:
    refuse_unknown([name], sorted(_names()), where)
    unset = value.lower() == DEFAULT
    if name == _ADAPTER:
        path = Path(value).expanduser()
        if not path.is_file():
            raise ModelNotFound(f"{where}: no such adapter: {value}")
        return replace(contender, adapter=path)
    if name == _SCALE:
        return replace(contender, scale=coerce(_SCALE, value, float, where))
    if name in _LOADING or name == _THINKING:
        chosen = getattr(Settings(), name) if unset else read_value(name, value, where)
        if name == _THINKING:
            return replace(contender, thinking=chosen)
        changes: dict[str, Any] = {name: chosen}
        return replace(contender, settings=replace(contender.settings, **changes))
    sampling = {key: kept for key, kept in contender.sampling.items() if key != name}
    if not unset:
        sampling[name] = read_value(name, value, where)
    return replace(contender, sampling=sampling)


def _equip(engine: Engine, contender: Contender) -> None:
    if contender.adapter is None:
        return
    if not isinstance(engine, TakesAdapter):
        raise UsageError(f"{contender.settings.model} takes no adapter; only GGUF models do")
    try:
        with contender.adapter.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelNotFound(f"{contender.adapter} cannot be read: {error.strerror}") from None
    engine.set_adapter(contender.adapter, scale=contender.scale, sha256=sha256)
