"""Puts models on a disk as other programs do: the hub's client, llama.cpp, LM Studio, Ollama."""

import hashlib
import json
from pathlib import Path

from chatcli.library.stores import Places
from chatcli.settings import Paths
from tests.engine.gguf_files import STRING, tiny_model


def gguf(name: str = "tiny") -> bytes:
    """A small model, another one for each name."""
    return tiny_model().with_key("general.name", STRING, name).encode()


def put(path: Path, content: bytes | None = None) -> Path:
    """Write a file, a model if nothing else is given, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf(path.name) if content is None else content)
    return path


def in_hub_cache(
    cache: Path, repo: str, file: str, content: bytes | None = None, commit: str = "c" * 40
) -> Path:
    """Put a file into a cache of huggingface_hub; returns the link in the snapshot."""
    content = gguf(file) if content is None else content
    folder = cache / f"models--{repo.replace('/', '--')}"
    blob = put(folder / "blobs" / hashlib.sha256(content).hexdigest(), content)
    put(folder / "refs" / "main", commit.encode())
    link = folder / "snapshots" / commit / file
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(blob)
    return link


def in_ollama(
    models: Path,
    name: str,
    content: bytes | None = None,
    host: str = "registry.ollama.ai",
    projector: bytes | None = None,
) -> Path:
    """Put a model into Ollama's folder; ``name`` is ``namespace/model:tag``; returns the blob."""
    content = gguf(name) if content is None else content
    path, _, tag = name.rpartition(":")
    digest = hashlib.sha256(content).hexdigest()
    layers = [
        {"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:" + "0" * 64},
        {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}"},
    ]
    if projector is not None:
        seen = hashlib.sha256(projector).hexdigest()
        layers.append({"mediaType": "application/vnd.ollama.image.projector", "digest": f"sha256:{seen}"})
        put(models / "blobs" / f"sha256-{seen}", projector)
    put(models / "manifests" / host / path / tag, json.dumps({"layers": layers}).encode())
    return put(models / "blobs" / f"sha256-{digest}", content)


def places(root: Path, **variables: str) -> Places:
    """The places of a user whose home is ``root``."""
    environ = {"HOME": str(root), "CHATCLI_HOME": str(root / "chatcli"), **variables}
    return Places.of(environ, Paths.locate(environ))
