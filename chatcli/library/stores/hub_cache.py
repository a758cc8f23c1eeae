"""Models in caches laid out as huggingface_hub does: ``models--user--repo/{refs,blobs,snapshots}``.

See https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from chatcli.errors import ModelNotFound
from chatcli.library.names.hub_reference import Reference
from chatcli.library.names.repo_files import choose_file, choose_files, quantization
from chatcli.library.stores.folders import files_below, nearest
from chatcli.library.stores.local_model import (
    LocalModel,
    Store,
    claimed_sha256,
    grouped,
    size_of,
    split_stem,
)
from chatcli.library.stores.repo_cache import RepoCache

_FOLDER = re.compile(r"^models--(?P<user>[^/]+?)--(?P<repo>[^/]+)$", re.DOTALL)
_MOST = 5000  # repositories


def hub_models(cache: Path) -> Iterator[LocalModel]:
    """Models of a cache, by repository and quantization. Of several snapshots the one ``main`` stands for, or
    else the newest, goes first; what only an older one has counts too."""
    try:
        names = sorted(entry.name for entry in os.scandir(cache))
    except OSError:
        return
    for name in names[:_MOST]:
        found = _FOLDER.match(name)
        if found:
            yield from _models(cache / name, f"{found['user']}/{found['repo']}")


def _models(folder: Path, repo: str) -> Iterator[LocalModel]:
    there: dict[str, tuple[str, LocalModel]] = {}  # place in the repository -> quantization, model
    for snapshot in _snapshots(folder):
        found = files_below(snapshot, 4)
        for files, missing in grouped(found.models):
            place = files[0].relative_to(snapshot).as_posix()
            former = there.get(place)
            if former is None or (former[1].missing and not missing):
                projector = nearest(files[0], found.projectors, snapshot)
                model = LocalModel(
                    repo, files, size_of(files), Store.HUB, repo=repo, missing=missing, projector=projector
                )
                there[place] = ((quantization(place) or ""), model)
    counts = Counter(tag for tag, _ in there.values())
    for place, (tag, model) in there.items():
        single = counts[tag] == 1
        name = (
            f"{repo}:{tag}" if tag and single else repo if single and len(there) == 1 else f"{repo}/{place}"
        )
        yield LocalModel(
            name,
            model.files,
            model.size,
            Store.HUB,
            repo=repo,
            tag=tag,
            sha256=claimed_sha256(model.path) if len(model.files) == 1 else "",
            missing=model.missing,
            also=(f"{repo}/{place}", split_stem(model.file)),
            projector=model.projector,
        )


def _snapshots(folder: Path) -> list[Path]:
    try:
        snapshots = [Path(entry.path) for entry in os.scandir(folder / "snapshots") if entry.is_dir()]
    except OSError:
        return []
    try:
        main = (folder / "refs" / "main").read_text(encoding="utf-8", errors="replace")[:64].strip()
    except OSError:
        main = ""
    return sorted(snapshots, key=lambda s: (s.name == main, _modified(s)), reverse=True)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def cached_files(reference: Reference, root: Path) -> tuple[Path, ...]:
    """The files of a model in a cache, whichever program fetched them, ready to be loaded.

    Args:
        reference: what is wanted; without a tag the preferred one of those that are here.
        root: the cache.

    Returns:
        The parts of the model, the first one first, in the newest snapshot that has them all; then its
        projector, if that is here. Empty if the model is not here.

    Raises:
        UsageError: several files that are here fit.
    """
    for snapshot in RepoCache(root, reference.repo).snapshots(reference.revision):
        # is_file: a link to a blob that was deleted, or is not whole yet, does not count.
        there = [
            p.relative_to(snapshot).as_posix() for p in snapshot.rglob("*.[gG][gG][uU][fF]") if p.is_file()
        ]
        try:
            if reference.file is not None:
                choice = choose_file(there, reference.file)
            else:
                choice = choose_files(there, reference.tag)
        except ModelNotFound:
            continue
        return tuple(snapshot / name for name in choice.all_files)
    return ()
