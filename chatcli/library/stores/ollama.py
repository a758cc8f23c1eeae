"""Models of Ollama: manifests name blobs by their sha256.

See https://github.com/ollama/ollama/blob/main/docs/ (a manifest is an OCI image manifest; the weights are
the layer of type ``application/vnd.ollama.image.model``, the projector is ``...image.projector``).
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chatcli.files.disk import read_regular
from chatcli.library.stores.local_model import LocalModel, Store, size_of

_WEIGHTS = "application/vnd.ollama.image.model"
_PROJECTOR = "application/vnd.ollama.image.projector"
_DIGEST = re.compile(r"^sha256[:-]([0-9a-f]{64})$")
_HUB_HOSTS = ("hf.co", "huggingface.co")
_LARGEST = 1 << 20  # bytes of a manifest
_MOST = 10_000  # manifests


def ollama_models(folder: Path) -> Iterator[LocalModel]:
    """Models by Ollama's names for them: ``llama3.2:1b``, ``user/model:tag``, ``hf.co/user/repo:Q4_K_M``."""
    for manifest in _manifests(folder / "manifests"):
        layers = _layers(manifest)
        blob = _blob(folder / "blobs", layers, _WEIGHTS)
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
            projector=_blob(folder / "blobs", layers, _PROJECTOR),
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


def _layers(manifest: Path) -> list[dict[str, Any]]:
    """The layers that a manifest lists; none if it is invalid."""
    try:
        content: Any = json.loads(read_regular(manifest, _LARGEST))
    except (OSError, ValueError, RecursionError):
        return []
    layers = content.get("layers") if isinstance(content, dict) else None
    return [layer for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []


def _blob(blobs: Path, layers: list[dict[str, Any]], kind: str) -> Path | None:
    """The first layer of a kind that is there."""
    for layer in layers:
        if layer.get("mediaType") == kind:
            digest = _DIGEST.match(str(layer.get("digest")))
            blob = blobs / f"sha256-{digest[1]}" if digest else None
            if blob is not None and blob.is_file():
                return blob
    return None
