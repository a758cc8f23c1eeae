"""Models of Ollama: manifests name blobs by their sha256.

See https://github.com/ollama/ollama/blob/main/docs/ (a manifest is an OCI image manifest; the weights are
the layer of type ``application/vnd.ollama.image.model``).
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chatcli.library.stores.local_model import LocalModel, Store, size_of

_WEIGHTS = "application/vnd.ollama.image.model"
_DIGEST = re.compile(r"^sha256[:-]([0-9a-f]{64})$")
_HUB_HOSTS = ("hf.co", "huggingface.co")
_LARGEST = 1 << 20  # bytes of a manifest
_MOST = 10_000  # manifests


def ollama_models(folder: Path) -> Iterator[LocalModel]:
    """Models by Ollama's names for them: ``llama3.2:1b``, ``user/model:tag``, ``hf.co/user/repo:Q4_K_M``."""
    for manifest in _manifests(folder / "manifests"):
        blob = _blob(folder / "blobs", manifest)
        if blob is None:
            continue
        host, *rest, model, tag = manifest.relative_to(folder / "manifests").parts
        namespace = "/".join(rest)
        repo = f"{namespace}/{model}" if host in _HUB_HOSTS else ""
        short = f"{model}:{tag}" if namespace == "library" else f"{namespace}/{model}:{tag}"
        name = short if "ollama" in host else f"{host}/{short}"
        names = (name, name.removesuffix(":latest"))
        yield LocalModel(
            name,
            (blob,),
            size_of([blob]),
            Store.OLLAMA,
            repo,
            tag,
            blob.name[7:],
            also=(*names[1:], *(f"ollama:{known}" for known in names)),
        )


def _manifests(folder: Path) -> Iterator[Path]:
    """Files ``host/namespace.../model/tag``, sorted."""
    pending, count = [folder], 0
    while pending and count < _MOST:
        here = pending.pop()
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except (OSError, ValueError):
            continue
        depth = len(here.relative_to(folder).parts)
        for entry in entries:
            count += 1
            try:
                if entry.is_dir(follow_symlinks=False):
                    if depth < 6:
                        pending.append(here / entry.name)
                elif depth >= 3 and entry.is_file():
                    yield here / entry.name
            except OSError:
                continue


def _blob(blobs: Path, manifest: Path) -> Path | None:
    """The weights a manifest names, if they are there."""
    try:
        with manifest.open("rb") as file:
            content: Any = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    layers = content.get("layers") if isinstance(content, dict) else None
    for layer in layers if isinstance(layers, list) else []:
        if isinstance(layer, dict) and layer.get("mediaType") == _WEIGHTS:
            digest = _DIGEST.match(str(layer.get("digest")))
            blob = blobs / f"sha256-{digest[1]}" if digest else None
            if blob is not None and blob.is_file():
                return blob
    return None
