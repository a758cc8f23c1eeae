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
            yield from _models(RepoCache(cache, f"{found['user']}/{found['repo']}"))


def _models(cache: RepoCache) -> Iterator[LocalModel]:
    repo = cache.repo
    there: dict[str, tuple[tuple[Path, ...], tuple[str, ...], Path | None]] = {}
    for snapshot in cache.snapshots(None):
        found = files_below(snapshot, 4)
        for files, missing in grouped(found.models):
            place = files[0].relative_to(snapshot).as_posix()
            if place not in there or (there[place][1] and not missing):
                there[place] = files, missing, nearest(files[0], found.projectors, snapshot)
    tags = {place: quantization(place) or "" for place in there}
    counts = Counter(tags.values())
    for place, (files, missing, projector) in there.items():
        tag = tags[place]
        name = f"{repo}/{place}"
        if counts[tag] == 1 and (tag or len(there) == 1):
            name = f"{repo}:{tag}" if tag else repo
        yield LocalModel(
            name,
            files,
            size_of(files),
            Store.HUB,
            repo=repo,
            tag=tag,
            sha256=claimed_sha256(files[0]) if len(files) == 1 else "",
            missing=missing,
            also=(f"{repo}/{place}", split_stem(files[0].name)),
            projector=projector,
        )


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
