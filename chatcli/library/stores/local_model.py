"""A model on this disk, its parts, and what its files' names tell."""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from chatcli.errors import ModelNotFound
from chatcli.words import listed

_SHARD = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE | re.DOTALL)

_MOST_LISTED = 8
_BLOB = re.compile(r"^(?:sha256-)?([0-9a-f]{64})$")


class Store(StrEnum):
    """The program that keeps a model, in the order in which equal models are preferred."""

    CHATCLI = "chatcli"
    REGISTERED = "registered"
    HUB = "hugging face"
    LLAMA_CPP = "llama.cpp"
    LM_STUDIO = "lm studio"
    OLLAMA = "ollama"

    @property
    def foreign(self) -> bool:
        """Whether the files belong to other programs too."""
        return self is not Store.CHATCLI


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on this disk.

    Attributes:
        name: what to call it here, which finds it again.
        files: its GGUF files, the first one first.
        size: bytes of those that are there.
        store: who keeps it.
        repo: repository it came from, ``user/name``, where the store tells.
        tag: quantization or version: ``Q4_K_M``, ``latest``; '' where no name tells.
        sha256: of a model in one file, as the store claims; '' where it does not.
        missing: names of files of a split model that are not there.
        also: other names it goes by.
        revision: branch, tag or commit whose file it is; '' of the newest one.
        projector: path of its projector, by the name alone, or None.
    """

    name: str
    files: tuple[Path, ...]
    size: int
    store: Store
    repo: str = ""
    tag: str = ""
    sha256: str = ""
    missing: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    revision: str = ""
    projector: Path | None = None

    @property
    def path(self) -> Path:
        """The file to load."""
        return self.files[0]

    @property
    def file(self) -> str:
        """Name of the file to load."""
        return self.path.name


def split_stem(name: str) -> str:
    """A file's name without ending, and without ``-00001-of-00003``."""
    shard = _SHARD.match(name)
    return shard["stem"] if shard else re.sub(r"\.gguf$", "", name, flags=re.IGNORECASE)


def renamed(file: str, stem: str) -> str:
    """The name of a file, or of a part of one, under another stem: ``new-00001-of-00003.gguf``."""
    shard = _SHARD.match(file)
    return f"{stem}-{shard['number']}-of-{shard['count']}.gguf" if shard else f"{stem}.gguf"


def grouped(paths: Iterable[Path]) -> Iterator[tuple[tuple[Path, ...], tuple[str, ...]]]:
    """Files of models put together: those of each model that are there, and the names of those missing.

    Args:
        paths: GGUF files; those of one folder may be shards of one model.
    """
    split: dict[tuple[Path, str, str], dict[int, Path]] = {}
    for path in paths:
        shard = _SHARD.match(path.name)
        if shard is None or not 1 <= int(shard["number"]) <= int(shard["count"]) <= 4096:
            yield (path,), ()
        else:
            key = (path.parent, shard["stem"], shard["count"])
            split.setdefault(key, {})[int(shard["number"])] = path
    for (folder, stem, count), there in split.items():
        absent = [n for n in range(1, int(count) + 1) if n not in there]
        names = tuple(f"{stem}-{n:05d}-of-{count}.gguf" for n in absent)
        first = there.pop(1, folder / f"{stem}-00001-of-{count}.gguf")
        yield (first, *(there[n] for n in sorted(there))), names


def size_of(files: Iterable[Path]) -> int:
    """Bytes of the files that exist."""
    total = 0
    for file in files:
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total


def claimed_sha256(file: Path) -> str:
    """The sha256 in the name of the blob that a file is, or is a link to; '' if the name has none."""
    found = _BLOB.match(Path(os.path.realpath(file)).name)
    return found[1] if found else ""


def shards_beside(path: Path) -> tuple[tuple[Path, ...], tuple[str, ...]] | None:
    """The files of the split model that a path names, by any shard or by their common name.

    Returns:
        The files, the first one first, and the names of those missing; None: it names no split model.
    """
    shard = _SHARD.match(path.name)
    stem = shard["stem"] if shard else split_stem(path.name)
    try:
        beside = [p for p in path.parent.iterdir() if (m := _SHARD.match(p.name)) and m["stem"] == stem]
    except OSError:
        return None
    ending = f"-of-{shard['count']}.gguf" if shard else ""
    for files, missing in grouped(p for p in beside if p.name.lower().endswith(ending)):
        if len(files) > 1 or missing:
            return files, missing
    return None


def files_at(name: str) -> tuple[Path, ...] | None:
    """The files of the model that a path names, the first one first; None if there is no such file.

    Raises:
        ModelNotFound: it is a folder, or lacks parts.
    """
    if not name:  # to Path it would be the working folder
        return None
    try:
        path = Path(name).expanduser()
        if path.is_dir() and not name.lower().startswith(("hf:", "ollama:")):
            there = sorted(p.name for p in path.glob("*.gguf"))[:_MOST_LISTED]
            inside = f": {', '.join(there)}" if there else ""
            if there or path.parent != Path():
                raise ModelNotFound(f"{name} is a folder; name the .gguf file in it{inside}")
            return None
        split = shards_beside(path) if path.parent != Path() or path.suffix.lower() == ".gguf" else None
        is_file = path.is_file()
    except RuntimeError:  # ~nobody
        raise ModelNotFound(f"no model file at {name}: there is no such home folder") from None
    except (OSError, ValueError):  # too long a name, a NUL
        return None
    if split is not None and (not is_file or path in split[0]):
        files, missing = split
        if missing:
            raise ModelNotFound(
                f"{name}: parts of the model are missing beside it: {listed(missing, most=_MOST_LISTED)}"
            )
        return files
    return (path,) if is_file else None
