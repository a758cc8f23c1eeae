"""From a name the user gave to an engine that answers: find it, check it, try it in a child, load it."""

import difflib
from dataclasses import replace
from pathlib import Path

from chatcli.engine.base import Cancellation, Engine, Progress
from chatcli.engine.loading import LoadOptions
from chatcli.engine.scripted import PREFIX as SCRIPTED
from chatcli.errors import ModelNotFound
from chatcli.library.bundled import NAME as BUNDLED
from chatcli.library.bundled import bundled_model
from chatcli.library.names import known_models
from chatcli.settings import Paths, Settings


def locate(name: str, models: Path) -> Path:
    """Find the file of a model.

    Args:
        name: a path, the bundled model's name, or a file in the models folder, with or without ``.gguf``.
        models: the models folder.

    Raises:
        ModelNotFound: there is none; says where was looked, and the nearest name.
    """
    if name == BUNDLED:
        return bundled_model()
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # ~nobody
        raise ModelNotFound(f"no model file at {name}: there is no such home folder") from None
    if path.is_file():
        return path
    for candidate in (models / name, models / f"{name}.gguf"):
        if candidate.is_file():
            return candidate
    if path.is_dir():
        raise ModelNotFound(f"{name} is a folder; name the .gguf file in it")
    if path.suffix == ".gguf" or path.parent != Path():
        raise ModelNotFound(f"no model file at {name}")
    known = known_models(models)
    near = difflib.get_close_matches(name, known, n=1)
    hint = (
        f"did you mean {near[0]}?"
        if near
        else f"known are {', '.join(known)}; or give the path of a GGUF file"
    )
    raise ModelNotFound(f"there is no model {name!r}; {hint}")


def open_engine(
    settings: Settings,
    paths: Paths,
    *,
    on_progress: Progress | None = None,
    cancel: Cancellation | None = None,
) -> Engine:
    """Open the model of the settings. A model new to this machine is tried in a child process first.

    Args:
        on_progress: called in this thread while the weights load.
        cancel: set it, from any thread, to give up.

    Raises:
        ModelNotFound: no such model.
        InvalidModel: the file is not a sane GGUF.
        ModelCrashed: llama.cpp dies of it.
        ModelError: it cannot be loaded, or ``cancel`` was set.
        UsageError: a ``scripted:`` option makes no sense.
    """
    if settings.model.startswith(SCRIPTED):
        from chatcli.engine.scripted import ScriptedEngine

        return ScriptedEngine.open(settings.model)
    path = locate(settings.model, paths.models)
    from chatcli.engine.llama import LlamaEngine
    from chatcli.engine.probe import probe

    options = load_options(settings)
    verdict = probe(path, paths.probe_verdicts, options, cancel=cancel)
    verdict.raise_for_failure()
    return LlamaEngine.open(
        path,
        replace(options, use_extra_bufts=verdict.use_extra_bufts),
        name=path.stem if settings.model != BUNDLED else BUNDLED,
        on_progress=on_progress,
        cancel=cancel,
    )


def load_options(settings: Settings) -> LoadOptions:
    """How the settings want a model loaded."""
    layers = {"auto": -1, "all": -1}.get(settings.gpu_layers)
    return LoadOptions(
        context_size=settings.ctx_size,
        gpu_layers=int(settings.gpu_layers) if layers is None else layers,
        threads=settings.threads,
    )
