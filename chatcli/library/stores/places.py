"""The folders of models: our own, and those of huggingface_hub, llama.cpp, LM Studio and Ollama."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from chatcli.files.disk import read_regular
from chatcli.settings import Paths

_POINTER = ".lmstudio-home-pointer"
_MOST = 1 << 20  # bytes of a settings file


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of models, which need not exist.

    Attributes:
        models: our own folder.
        registry: the file of aliases and registered files.
        hub: caches in huggingface_hub's layout, the one that is used first.
        llama_cpp: flat caches of llama.cpp before it took over the hub's layout.
        lm_studio: ``publisher/repo/file.gguf``.
        ollama: with ``manifests`` and ``blobs``.
    """

    models: Path
    registry: Path
    hub: tuple[Path, ...] = ()
    llama_cpp: tuple[Path, ...] = ()
    lm_studio: tuple[Path, ...] = ()
    ollama: tuple[Path, ...] = ()

    @classmethod
    def of(cls, environ: Mapping[str, str], paths: Paths) -> Self:
        """The places on this machine.

        Args:
            environ: environment variables; HF_HOME, OLLAMA_MODELS and their like are obeyed.
            paths: our own folders.
        """
        home = _home(environ)
        cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
        root = cache_root({**environ, "XDG_CACHE_HOME": str(cache)})  # where pulled files go
        hub = (root, environ.get("LLAMA_CACHE"), cache / "huggingface/hub")
        flat = [environ.get("LLAMA_CACHE"), cache / "llama.cpp"]
        if sys.platform == "darwin":
            flat.append(home / "Library" / "Caches" / "llama.cpp")
        if environ.get("LOCALAPPDATA"):
            flat.append(Path(environ["LOCALAPPDATA"]) / "llama.cpp")
        ollama = (environ.get("OLLAMA_MODELS"), home / ".ollama/models", "/usr/share/ollama/.ollama/models")
        return cls(
            models=paths.models,
            registry=paths.model_registry,
            hub=_folders(hub, home),
            llama_cpp=_folders(flat, home),
            lm_studio=_folders(_lm_studio(home), home),
            ollama=_folders(ollama, home),
        )


def cache_root(environ: Mapping[str, str]) -> Path:
    """The cache of huggingface_hub and llama.cpp: where both look first, so that a file is fetched once."""
    home = environ.get("HF_HOME") or f"{environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    root = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    return Path(os.path.expandvars(root)).expanduser()


def _home(environ: Mapping[str, str]) -> Path:
    named = environ.get("HOME") or environ.get("USERPROFILE")
    if named:
        return Path(named)
    try:
        return Path.home()
    except RuntimeError:  # nobody's process
        return Path("/nonexistent")


def _folders(candidates: tuple[object, ...] | list[Any], home: Path) -> tuple[Path, ...]:
    found: dict[Path, None] = {}
    for candidate in candidates:
        if candidate:
            text = str(candidate)
            path = home / text[2:] if text.startswith(("~/", "~\\")) else Path(text)
            found[path] = None
    return tuple(found)


def _lm_studio(home: Path) -> tuple[Path, ...]:
    """Its home may be elsewhere (a pointer file says so), and its models elsewhere than in its home."""
    pointed = _text(home / _POINTER).strip()
    roots = [*([Path(pointed)] if pointed else []), home / ".lmstudio", home / ".cache" / "lm-studio"]
    found: list[Path] = []
    for root in roots:
        try:
            settings = json.loads(_text(root / "settings.json") or "{}")
        except (ValueError, RecursionError):
            settings = {}
        named = settings.get("downloadsFolder") if isinstance(settings, dict) else None
        found += [Path(named)] if isinstance(named, str) and named else []
        found.append(root / "models")
    return tuple(found)


def _text(path: Path) -> str:
    try:
        return read_regular(path, _MOST).decode("utf-8-sig", "replace").replace("\0", "")
    except (OSError, ValueError):
        return ""
