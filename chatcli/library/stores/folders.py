"""Stores whose files are named after the models: ours, LM Studio's, llama.cpp's former one."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from chatcli.library.names.repo_files import is_model, is_projector, nearest_projector, quantization
from chatcli.library.stores.local_model import (
    LocalModel,
    Store,
    grouped,
    size_of,
    split_stem,
)
from chatcli.library.stores.projectors import certain_projectors

_MOST = 20_000  # entries looked at below one folder


class Files(NamedTuple):
    """GGUF files below a folder, by the names alone; sorted.

    Attributes:
        models: files that may be models.
        projectors: files that may be projectors.
    """

    models: list[Path]
    projectors: list[Path]


def files_below(folder: Path, depth: int) -> Files:
    """Models and projectors at most ``depth`` folders below; without broken links."""
    found = Files([], [])
    pending = [(folder, depth)]
    seen = 0
    while pending and seen < _MOST:
        here, left = pending.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    seen += 1
                    if is_model(entry.name) or is_projector(entry.name):
                        if entry.is_file():
                            kind = found.models if is_model(entry.name) else found.projectors
                            kind.append(here / entry.name)
                    elif left and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=left > 1):
                        pending.append((here / entry.name, left - 1))
        except (OSError, ValueError):  # missing, unreadable, or an invalid name
            continue
    return Files(sorted(found.models), sorted(found.projectors))


def nearest(model: Path, projectors: Sequence[Path], top: Path) -> Path | None:
    """The projector of a model that shares a repository with it.

    Args:
        model: the model's first file, somewhere below ``top``.
        projectors: candidates, below it, too.
        top: the repository's folder.
    """
    if not projectors:
        return None
    paths = {path.relative_to(top).as_posix(): path for path in projectors}
    found = nearest_projector(model.relative_to(top).as_posix(), paths)
    return paths[found] if found else None


def own_models(folder: Path) -> Iterator[LocalModel]:
    """Models in our folder, by their file's name."""
    there = files_below(folder, 0)
    certain = certain_projectors(*([file.name for file in files] for files in there))
    for files, missing in grouped(there.models):
        tag = quantization(files[0].name) or ""
        projector = certain.get(files[0].name)
        yield LocalModel(
            split_stem(files[0].name),
            files,
            size_of(files),
            Store.CHATCLI,
            tag=tag,
            missing=missing,
            projector=folder / projector if projector else None,
        )


def lm_studio_models(folder: Path) -> Iterator[LocalModel]:
    """Models of LM Studio, by publisher, repository and quantization."""
    there = files_below(folder, 3)
    projectors: dict[str, list[Path]] = {}
    for path in there.projectors:
        projectors.setdefault("/".join(path.relative_to(folder).parts[:2]), []).append(path)
    for files, missing in grouped(there.models):
        parts = files[0].relative_to(folder).parts
        repo = "/".join(parts[:2]) if len(parts) >= 3 else ""
        tag = quantization(files[0].name) or ""
        name = f"{repo}:{tag}" if repo and tag else repo or split_stem(files[0].name)
        also = ["/".join(parts), split_stem(files[0].name)]
        if repo and tag:  # as its ``lms get`` and ``lms load`` name a quantization
            also += [f"{known}@{tag}" for known in (repo, parts[1], parts[1].lower().removesuffix("-gguf"))]
        yield LocalModel(
            name,
            files,
            size_of(files),
            Store.LM_STUDIO,
            repo=repo,
            tag=tag,
            missing=missing,
            also=tuple(also),
            projector=nearest(files[0], projectors.get(repo, ()), folder / repo),
        )


def llama_cpp_models(folder: Path) -> Iterator[LocalModel]:
    """Models of llama.cpp's former cache, ``user_repo_file.gguf``; its manifests tell users and repos."""
    repos = sorted(_repos(folder), key=len, reverse=True)
    there = files_below(folder, 0)
    for files, missing in grouped(there.models):
        stem, tag = split_stem(files[0].name), (quantization(files[0].name) or "")
        repo = next((r for r in repos if stem.startswith(r.replace("/", "_") + "_")), "")
        name = f"{repo}:{tag}" if repo and tag else stem
        also = (stem, stem[len(repo) + 1 :]) if repo else (stem,)
        yield LocalModel(
            name,
            files,
            size_of(files),
            Store.LLAMA_CPP,
            repo=repo,
            tag=tag,
            missing=missing,
            also=also,
            projector=nearest(files[0], _of_same_repo(files[0].name, there.projectors), folder),
        )


def _of_same_repo(model: str, projectors: Sequence[Path]) -> list[Path]:
    """Projectors ``user_repo_mmproj...gguf`` of a model ``user_repo_...``; of the longest such beginning."""
    beginnings = {path: path.name[: path.name.lower().index("mmproj")] for path in projectors}
    fitting = [path for path, start in beginnings.items() if "_" in start and model.startswith(start)]
    longest = max((len(beginnings[path]) for path in fitting), default=0)
    return [path for path in fitting if len(beginnings[path]) == longest]


def _repos(folder: Path) -> set[str]:
    """Repositories named by ``manifest=user=repo=tag.json`` files."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith("manifest=")]
    except OSError:
        return set()
    parts = (name.removesuffix(".json").split("=") for name in names[:_MOST])
    return {f"{p[1]}/{p[2]}" for p in parts if len(p) >= 4 and p[1] and p[2]}
