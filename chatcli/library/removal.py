"""Frees the disk of a model: which files go, and what that gives back."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chatcli.errors import StorageError, UsageError
from chatcli.library.stores import LocalModel, Store


@dataclass(frozen=True, slots=True)
class Removal:
    """What removing a model means.

    Attributes:
        model: the model.
        names: files and links that go; its projector's, where no other model needs that.
        blobs: what the links lead to, and nothing else does.
        freed: bytes given back.
        forget: only the name goes, the file stays: it was registered where it lies.
    """

    model: LocalModel
    names: tuple[Path, ...]
    blobs: tuple[Path, ...]
    freed: int
    forget: bool = False


def plan_removal(model: LocalModel, others: Sequence[LocalModel], *, foreign: bool) -> Removal:
    """What would go.

    Args:
        model: to be removed.
        others: all models on this disk that stay.
        foreign: files of other programs may go.

    Raises:
        UsageError: it belongs to another program, and is not to be touched; says how to remove it.
    """
    if model.store is Store.OLLAMA:
        raise UsageError(
            f"{model.name} belongs to Ollama, which keeps more than its file: ollama rm {model.name}"
        )
    if model.store is Store.REGISTERED and not foreign:
        return Removal(model, (), (), 0, forget=True)
    if model.store in (Store.LM_STUDIO, Store.LLAMA_CPP) and not foreign:
        raise UsageError(f"{model.path} belongs to {model.store}; --foreign removes it all the same")
    used = {
        os.path.realpath(file)
        for other in others
        if other.files != model.files
        for file in (*other.files, *([other.projector] if other.projector else ()))
    }
    files = model.files
    if model.projector is not None and os.path.realpath(model.projector) not in used:
        files = (*files, model.projector)
    there = [file for file in files if os.path.lexists(file)]
    targets = {file: Path(os.path.realpath(file)) for file in there}
    if model.store is Store.HUB:
        there += _same_in_other_snapshots(files, set(targets.values()))
    inside = _repository(model)
    blobs = [
        blob
        for file, blob in targets.items()
        if blob != file and str(blob) not in used and inside is not None and blob.is_relative_to(inside)
    ]
    freed = sum(_size(path) for path in {*blobs, *(f for f in there if not f.is_symlink())})
    return Removal(model, tuple(there), tuple(blobs), freed)


def remove(removal: Removal) -> None:
    """Do it: the names first, so that none ever leads nowhere.

    Raises:
        StorageError: a file could not be removed; those before it are gone.
    """
    for path in (*removal.names, *removal.blobs):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{path} cannot be removed: {error.strerror}") from None


def _repository(model: LocalModel) -> Path | None:
    """The folder of a repository in a cache of the hub's layout."""
    for folder in model.path.parents:
        if folder.name.startswith("models--"):
            return Path(os.path.realpath(folder))
    return None


def _same_in_other_snapshots(files: Sequence[Path], targets: set[Path]) -> list[Path]:
    """Links of other snapshots that lead to the same blobs."""
    folder = next((f for f in files[0].parents if f.name == "snapshots"), None)
    if folder is None:
        return []
    names = {file.name for file in files}
    return [
        link
        for link in folder.rglob("*.gguf")
        if link not in files
        and link.name in names
        and link.is_symlink()
        and Path(os.path.realpath(link)) in targets
    ]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
