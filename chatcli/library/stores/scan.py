"""All models on this disk, from every store."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from chatcli.errors import DataError
from chatcli.library.names.aliases import read_registry
from chatcli.library.names.repo_files import quantization
from chatcli.library.stores.folders import llama_cpp_models, lm_studio_models, own_models
from chatcli.library.stores.hub_cache import hub_models
from chatcli.library.stores.local_model import (
    LocalModel,
    Store,
    shards_beside,
    size_of,
    split_stem,
)
from chatcli.library.stores.ollama import ollama_models
from chatcli.library.stores.places import Places
from chatcli.library.stores.projectors import projector_beside


def local_models(places: Places, *, strict: bool = True) -> list[LocalModel]:
    """Models on this disk, our own first; each file once, though several stores may link to it.

    Reads folders and manifests, and no GGUF. What cannot be read is passed over.

    Args:
        places: where to look.
        strict: the names that the user gave are needed; otherwise they are passed over, too.

    Raises:
        DataError: they are needed, and their file is damaged.
    """
    found: dict[Path, LocalModel] = {}
    for model in _all(places, strict=strict):
        found.setdefault(model.path, model)
    return list(found.values())


def _all(places: Places, *, strict: bool) -> Iterator[LocalModel]:
    yield from own_models(places.models)
    with contextlib.nullcontext() if strict else contextlib.suppress(DataError):
        yield from _registered(places)
    for cache in places.hub:
        yield from hub_models(cache)
    for cache in places.llama_cpp:
        yield from llama_cpp_models(cache)
    for folder in places.lm_studio:
        yield from lm_studio_models(folder)
    for folder in places.ollama:
        yield from ollama_models(folder)


def _registered(places: Places) -> Iterator[LocalModel]:
    registry = read_registry(places.registry)
    for name, path in registry.files.items():
        files, missing = shards_beside(path) or ((path,), ())
        yield LocalModel(
            name,
            files,
            size_of(files),
            Store.REGISTERED,
            tag=quantization(path.name) or "",
            missing=missing if path.is_file() else (path.name,),
            also=(split_stem(path.name),),
            projector=registry.projectors.get(name) or projector_beside(path),
        )
