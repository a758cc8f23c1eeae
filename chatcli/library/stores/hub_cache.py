"""Models in caches laid out as huggingface_hub does: ``models--user--repo/{refs,blobs,snapshots}``.

See https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from chatcli.library.names.hub_reference import quantization
from chatcli.library.stores.folders import files_below, nearest
from chatcli.library.stores.local_model import (
    LocalModel,
    Store,
    claimed_sha256,
    grouped,
    size_of,
    split_stem,
)

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
