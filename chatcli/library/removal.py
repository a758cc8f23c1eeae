"""Removes models: which files are deleted, and how many bytes that frees."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chatcli.errors import StorageError, UsageError
from chatcli.library.stores import LocalModel, Store
from chatcli.library.stores.local_model import size_of
from chatcli.library.stores.repo_cache import tidy


@dataclass(frozen=True, slots=True)
class Removal:
    """What is deleted with a model.

    Attributes:
        model: the model.
        names: files and links to delete; its projector's, if no other model needs that.
        blobs: targets of the links that nothing else links to.
        freed: bytes that become free.
        forget: only the name is removed, the registered file stays.
    """

    model: LocalModel
    names: tuple[Path, ...]
    blobs: tuple[Path, ...]
    freed: int
    forget: bool = False


def plan_removal(model: LocalModel, others: Sequence[LocalModel], *, foreign: bool) -> Removal:
    """Plan the removal of a model.

    Args:
        model: the model to remove.
        others: all models on this disk that stay.
        foreign: files of other programs may be deleted.

    Raises:
        UsageError: it belongs to another program; says how to remove it.
    """
    if model.store is Store.OLLAMA:
        raise UsageError(
            f"{model.name} belongs to Ollama, which keeps more than its file: ollama rm {model.name}"
        )
    if model.store is Store.REGISTERED and not foreign:
        return Removal(model, (), (), 0, forget=True)
    if model.store in (Store.LM_STUDIO, Store.LLAMA_CPP) and not foreign:
        raise UsageError(f"{model.path} belongs to {model.store}; --foreign removes it all the same")
    needed = {f for other in others if other.files != model.files for f in _files(other)}
    used = {os.path.realpath(file) for file in needed}
    files = [f for f in _files(model) if f in model.files or os.path.realpath(f) not in used]
    there = [file for file in files if os.path.lexists(file)]
    if model.store is Store.HUB:
        former = _in_other_snapshots(model, files, {Path(os.path.realpath(file)) for file in there})
        there += [link for link in former if link not in needed]  # a projector of that name may be another's
    targets = {file: Path(os.path.realpath(file)) for file in there}
    inside = _repository(model)
    blobs = {
        blob: None
        for file, blob in targets.items()
        if blob != file and str(blob) not in used and inside is not None and blob.is_relative_to(inside)
    }
    freed = size_of({*blobs, *(f for f in there if not f.is_symlink())})
    return Removal(model, tuple(there), tuple(blobs), freed)


def remove(removal: Removal) -> None:
    """Delete the files: names first, so that none ever leads nowhere.

    Raises:
        StorageError: a file could not be deleted; those before it are.
    """
    for path in (*removal.names, *removal.blobs):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{path} cannot be removed: {error.strerror}") from None
    repository = _repository(removal.model)
    if repository is not None:
        tidy(repository)


def _repository(model: LocalModel) -> Path | None:
    """The folder of a repository in a cache of the hub's layout."""
    for folder in model.path.parents:
        if folder.name.startswith("models--"):
            return Path(os.path.realpath(folder))
    return None


def _files(model: LocalModel) -> tuple[Path, ...]:
    """Its files, and its projector's, which several models may need."""
    return (*model.files, *([model.projector] if model.projector is not None else ()))


def _in_other_snapshots(model: LocalModel, files: Sequence[Path], targets: set[Path]) -> list[Path]:
    """Former versions of its files, which no list shows; of a model of one revision other links to them."""
    folder = next((f for f in model.path.parents if f.name == "snapshots"), None)
    if folder is None:
        return []
    snapshots = [path for path in folder.iterdir() if path.is_dir()]
    places = [file.relative_to(folder).parts[1:] for file in files]
    links = [snapshot.joinpath(*place) for snapshot in snapshots for place in places]
    return [
        link
        for link in links
        if link not in files
        and os.path.lexists(link)
        and (not model.revision or Path(os.path.realpath(link)) in targets)
    ]
