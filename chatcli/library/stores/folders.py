"""Stores whose files are named after the models: ours, LM Studio's, llama.cpp's former one."""

import os
from collections.abc import Iterator
from pathlib import Path

from chatcli.library.reference import is_model, quantization
from chatcli.library.stores.local_model import (
    LocalModel,
    Store,
    grouped,
    size_of,
    split_stem,
)

_MOST = 20_000  # entries looked at below one folder


def files_below(folder: Path, depth: int) -> list[Path]:
    """Files that may be models, at most ``depth`` folders below, sorted; without links that lead nowhere."""
    found: list[Path] = []
    pending = [(folder, depth)]
    seen = 0
    while pending and seen < _MOST:
        here, left = pending.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    seen += 1
                    if is_model(entry.name):
                        if entry.is_file():
                            found.append(here / entry.name)
                    elif left and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=left > 1):
                        pending.append((here / entry.name, left - 1))
        except (OSError, ValueError):  # not there, not ours to read, a name that cannot be
            continue
    return sorted(found)


def own_models(folder: Path) -> Iterator[LocalModel]:
    """Models in our folder, by their file's name."""
    for files, missing in grouped(files_below(folder, 0)):
        tag = quantization(files[0].name) or ""
        yield LocalModel(
            split_stem(files[0].name), files, size_of(files), Store.CHATCLI, tag=tag, missing=missing
        )


def lm_studio_models(folder: Path) -> Iterator[LocalModel]:
    """Models of LM Studio, by publisher, repository and quantization."""
    for files, missing in grouped(files_below(folder, 3)):
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
        )


def llama_cpp_models(folder: Path) -> Iterator[LocalModel]:
    """Models of llama.cpp's former cache, ``user_repo_file.gguf``; its manifests tell users and repos."""
    repos = sorted(_repos(folder), key=len, reverse=True)
    for files, missing in grouped(files_below(folder, 0)):
        stem, tag = split_stem(files[0].name), (quantization(files[0].name) or "")
        repo = next((r for r in repos if stem.startswith(r.replace("/", "_") + "_")), "")
        name = f"{repo}:{tag}" if repo and tag else stem
        also = (stem, stem[len(repo) + 1 :]) if repo else (stem,)
        yield LocalModel(
            name, files, size_of(files), Store.LLAMA_CPP, repo=repo, tag=tag, missing=missing, also=also
        )


def _repos(folder: Path) -> set[str]:
    """Repositories named by ``manifest=user=repo=tag.json`` files."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith("manifest=")]
    except OSError:
        return set()
    parts = (name.removesuffix(".json").split("=") for name in names[:_MOST])
    return {f"{p[1]}/{p[2]}" for p in parts if len(p) >= 4 and p[1] and p[2]}
