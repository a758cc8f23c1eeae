"""Finds the projector that belongs to a model by the files' names and folders alone."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from chatcli.library.names.repo_files import is_model, is_projector, nearest_projector, without_quantization
from chatcli.library.stores.local_model import split_stem

_MOST = 20_000  # entries of a folder
_WORD = re.compile(r"mmproj(?:[-_.]model(?![a-z0-9]))?", re.IGNORECASE)
_SNAPSHOTS = "snapshots"


def certain_projectors(models: Collection[str], projectors: Collection[str]) -> dict[str, str]:
    """Map each model of a folder to its projector; models without a certain one are left out.

    It is the projector whose name contains the model's (``mmproj-NAME-F16.gguf``, ``NAME.mmproj.gguf``), or
    else the only one next to the only model. Of several quantizations the closest bit width is taken.

    Args:
        models: names of files, of a split model the first is enough.
        projectors: names of files.
    """
    if not projectors:
        return {}
    of_stem: dict[str, list[str]] = {}
    for name in projectors:
        of_stem.setdefault(_stem(name), []).append(name)
    stems = {model: _stem(model) for model in models}
    alone = len(of_stem) == 1 and len(set(stems.values())) == 1
    found = {}
    for model, stem in stems.items():
        projector = nearest_projector(model, projectors if alone else of_stem.get(stem, ()))
        if projector is not None:
            found[model] = projector
    return found


def projector_beside(path: Path) -> Path | None:
    """The projector of a model that is named by its path; None if there is no certain one.

    A file of a snapshot in a hub cache has its repository's; another file what certainly belongs to it.
    """
    snapshot = next((f for f in path.parents if f.parent.name == _SNAPSHOTS and _is_repository(f)), None)
    if snapshot is not None:
        paths = [p.relative_to(snapshot).as_posix() for p in _upwards(path.parent, snapshot)]
        found = nearest_projector(path.relative_to(snapshot).as_posix(), paths)
        return snapshot / found if found else None
    names = _names(path.parent)
    models = {name for name in names if is_model(name)} | {path.name}
    found = certain_projectors(models, [name for name in names if is_projector(name)]).get(path.name)
    return path.with_name(found) if found else None


def _stem(name: str) -> str:
    """A file's name without quantization, part number and the word for projectors."""
    bare = without_quantization(_WORD.sub("", split_stem(name)))
    return re.sub(r"[-_. ]+", "-", bare).strip("-").lower()


def _is_repository(snapshot: Path) -> bool:
    return snapshot.parents[1].name.startswith("models--")


def _upwards(folder: Path, top: Path) -> Iterable[Path]:
    """Projectors in a folder and those above it, up to ``top``."""
    for here in (folder, *folder.parents):
        yield from (here / name for name in _names(here) if is_projector(name))
        if here == top:
            return


def _names(folder: Path) -> list[str]:
    """Names of the GGUF files in a folder, without broken links."""
    names = []
    try:
        for _, entry in zip(range(_MOST), folder.iterdir(), strict=False):
            if entry.name.lower().endswith(".gguf") and entry.is_file():
                names.append(entry.name)
    except (OSError, ValueError):
        return []
    return names
