"""Opens the model that a name means. The rest of the program asks here, whichever engine it gets.

A name of a registered kind (``engine/registry.py``) is opened by that kind. Any other name is a model file:
it is found, checked, tried in a child process, fitted to this machine and loaded by llama.cpp.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from chatcli.engine.base import Cancellation, Engine, Tell
from chatcli.engine.gguf import Header
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.llama.offload import stepping_down
from chatcli.engine.registry import Opening, kind_of, kinds
from chatcli.engine.trial.verdict import TrialVerdict
from chatcli.errors import ModelError
from chatcli.library.checksums import Checksums
from chatcli.library.fit.plan import FitPlan, Machine, plan
from chatcli.library.names.finding import Located, find_model, known_models
from chatcli.library.projector_choice import choose_projector
from chatcli.library.stores import Places
from chatcli.settings import AUTO_PROJECTOR, Paths, Settings


def open_engine(opening: Opening) -> Engine:
    """Open the model of the settings; may take minutes, and runs in any thread.

    Raises:
        ModelNotFound: no such model.
        InvalidModel: the file is not a valid GGUF file.
        ModelCrashed: llama.cpp crashes on it.
        ModelError: it cannot be loaded, or ``opening.cancel`` was set.
        UsageError: the name has an option that makes no sense.
    """
    kind = kind_of(opening.settings.model)
    return kind.open(opening) if kind is not None else _open_file(opening)


def check_model(settings: Settings, places: Places) -> None:
    """Refuse a model that cannot be opened, before the present one is let go. Opens nothing.

    Raises:
        ChatcliError: there is no such model.
    """
    kind = kind_of(settings.model)
    if kind is not None:
        kind.check(settings)
    else:
        find_model(settings.model, places)


def model_names(settings: Settings, places: Places) -> list[str]:
    """Names of all models that can be opened now, for completion and lists; the bundled one first."""
    return [*known_models(places), *(name for kind in kinds() for name in kind.names(settings))]


def try_model(settings: Settings, places: Places, verdicts: Path) -> tuple[Path, TrialVerdict] | None:
    """The file of a model and the verdict of its trial, which runs now if the verdict is not known yet.

    Returns:
        None if the engine needs no file.

    Raises:
        ChatcliError: there is no such model.
    """
    from chatcli.engine.trial.probe import probe

    if kind_of(settings.model) is not None:
        check_model(settings, places)
        return None
    path = find_model(settings.model, places).path
    return path, probe(path, verdicts, LoadOptions.from_settings(settings))


def _open_file(opening: Opening) -> Engine:
    """Open a model file. A file that is new to this machine is tried in a child process first."""
    settings, paths, cancel, tell = opening.settings, opening.paths, opening.cancel, opening.tell
    found = find_model(settings.model, Places.of(opening.environ, paths))
    checksums = Checksums(paths.checksums)
    hashing = Hashing(checksums, found.files, cancel)
    shards = _checked(found)
    choice = choose_projector(found, settings, shards[0], tell)
    fitted = _fitted(found, shards, settings, choice.projector)
    choice = choice.fitted(fitted)
    projector_hashing = Hashing(checksums, choice.files, cancel)

    def on_trial() -> None:
        opening.on_progress(None)

    def open_with(layers: int) -> Engine:
        from chatcli.engine.llama.engine import LlamaEngine

        options = replace(fitted.options, gpu_layers=layers)
        tried, reason = choice.tried(
            found.path, options, shards, paths.probe_verdicts, tell, cancel, on_trial
        )
        return LlamaEngine.open(
            found.path,
            tried,
            name=found.name,
            sha256=hashing.result(),
            projector_sha256=projector_hashing.result() if tried.projector else "",
            no_vision_reason=reason,
            try_adapter=lambda adapter: _try_adapter(
                found.path, replace(tried, adapter=adapter), shards, paths.probe_verdicts
            ),
            defaults=found.entry.recommended(thinking=settings.thinking) if found.entry else {},
            on_progress=opening.on_progress,
            cancel=cancel,
        )

    engine = _open_fitted(open_with, fitted, settings, tell, cancel)
    _tell_of_change(settings.model, hashing.result(), checksums, tell)
    if engine.model.projector and settings.projector == AUTO_PROJECTOR:  # else the user says which
        _tell_of_change(f"the projector of {settings.model}", engine.model.projector, checksums, tell)
    return engine


def _try_adapter(path: Path, options: LoadOptions, shards: Sequence[Header], verdicts: Path) -> None:
    """Try an adapter with its model in a child process.

    Raises:
        ModelError: it cannot be used.
    """
    from chatcli.engine.trial.probe import probe

    assert options.adapter is not None
    verdict = probe(path, verdicts, options, shards=shards)
    replace(verdict, file=options.adapter.name).raise_for_failure()


def try_files(
    found: Located, settings: Settings, paths: Paths, tell: Tell, on_trial: Callable[[], None]
) -> None:
    """Try a model that is new to this machine, as opening it would; not one too large for the memory.

    Args:
        found: the model.
        tell: called with the reason where its projector cannot be used.
        on_trial: called when a trial begins.

    Raises:
        InvalidModel: the file is of another kind, or incomplete.
        ModelCrashed: llama.cpp dies of it.
        ModelError: it cannot be loaded.
    """
    shards = _checked(found)
    choice = choose_projector(found, settings, shards[0], tell)
    try:
        fitted = _fitted(found, shards, settings, choice.projector)
    except ModelError:
        return
    choice = choice.fitted(fitted)
    choice.tried(found.path, fitted.options, shards, paths.probe_verdicts, tell, None, on_trial)


def _open_fitted(
    open_with: Callable[[int], Engine],
    fitted: FitPlan,
    settings: Settings,
    tell: Tell,
    cancel: Cancellation,
) -> Engine:
    """Say what was decided and open; with fewer and fewer layers on the GPU where that is left to us."""
    for line in fitted.notes:
        tell(line)
    layers = fitted.options.gpu_layers
    if settings.gpu_layers == "auto" and fitted.offloads:
        return stepping_down(open_with, layers, len(fitted.estimate.blocks), tell, cancel)
    return open_with(layers)


def _checked(found: Located) -> Sequence[Header]:
    """The headers of the model's files, read once: of a large vocabulary that takes a tenth of a second.

    Raises:
        InvalidModel: the file is of another kind, or incomplete.
    """
    from chatcli.engine.gguf import check, read_header

    return check(read_header(found.path))


def _fitted(
    found: Located, shards: Sequence[Header], settings: Settings, projector: Header | None
) -> FitPlan:
    """How to load it here.

    Raises:
        ModelError: it does not fit.
    """
    from chatcli.engine.machine import devices
    from chatcli.engine.memory.process import memory

    free = sum(device.free_memory for device in devices() if device.kind in ("gpu", "igpu"))
    return plan(shards, settings, Machine(memory(), free), found.name, projector)


class Hashing:
    """The sha256 of a model, computed in a thread while the model is tried; known ones cost nothing.

    Args:
        checksums: what is known.
        files: of the model; none: the hash is empty.
        cancel: set it to give up.
    """

    def __init__(self, checksums: Checksums, files: Sequence[Path], cancel: Cancellation | None) -> None:
        self._sha256 = (checksums.known(files) or "") if files else ""
        self._error: ModelError | None = None
        self._thread: threading.Thread | None = None
        if files and not self._sha256:

            def work() -> None:
                try:
                    self._sha256 = checksums.of(files, cancel)
                except ModelError as error:
                    self._error = error

            self._thread = threading.Thread(target=work, name="sha256", daemon=True)
            self._thread.start()

    def result(self) -> str:
        """The hash, waited for.

        Raises:
            ModelError: the file cannot be read, or it was cancelled.
        """
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self._sha256


def _tell_of_change(name: str, sha256: str, checksums: Checksums, tell: Tell) -> None:
    former = checksums.former(name, sha256)
    if former:
        tell(
            f"{name} is another file than when it was last used (sha256 {former[:12]}... then, "
            f"{sha256[:12]}... now); judgements are kept apart by it"
        )
