"""Remembers verdicts on models in one small JSON file, which may be deleted at any time.

A verdict holds for the same file, library build, CPU, GPUs and way of loading. Files are told apart by size,
modification time and a hash of both ends rather than of the whole: hashing 40 GB takes minutes at every
start, what makes llama.cpp crash is in the header, and who changes the middle of a file and restores its time
stamp does not do so by accident.
"""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.machine import cpu_identity, devices, library_build
from chatcli.engine.trial.verdict import TrialOutcome, TrialVerdict
from chatcli.files.replace import read_cache, write_cache

_END = 1 << 16  # bytes hashed at each end of a file
_MOST = 500  # verdicts kept, the newest
_CRASH_LASTS = 86_400.0  # seconds; a crash may have come from what has changed since, such as free memory
_KILLED = 9  # SIGKILL: somebody's decision, not a property of the model


class _Entry(msgspec.Struct):
    verdict: TrialVerdict
    time: float


class _File(msgspec.Struct):
    verdicts: dict[str, _Entry] = {}
    avoid_extra_bufts: list[str] = []  # machines on which repacked weights fault
    version: int = 1


def machine_identity() -> Mapping[str, str]:
    """What a verdict depends on besides the file: library build, CPU and GPUs."""
    gpus = [f"{d.name} {d.description} {d.total_memory}" for d in devices() if d.kind in ("gpu", "igpu")]
    return {**library_build(), "cpu": cpu_identity(), "gpus": "; ".join(gpus)}


def file_identity(files: Sequence[Path]) -> str:
    """Hash that tells models apart, wherever they lie and whatever they are called.

    Args:
        files: all files of the model, in order.
    """
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            digest.update(f"{status.st_size} {status.st_mtime_ns} ".encode())
            digest.update(file.read(_END))
            file.seek(max(0, status.st_size - _END))
            digest.update(file.read(_END))
    return digest.hexdigest()


def verdict_key(machine: Mapping[str, str], file: str, options: LoadOptions) -> str:
    """Key of a verdict: machine, file, and what of the options makes another code path."""
    layers = "none" if not machine["gpus"] or options.gpu_layers == 0 else "all"
    if layers == "all" and options.gpu_layers > 0:
        layers = "some"
    way = (layers, options.use_extra_bufts, options.flash_attention, options.kv_type_k, options.kv_type_v)
    return hashlib.sha256(msgspec.json.encode([machine, file, way])).hexdigest()


class VerdictCache:
    """The file of verdicts.

    Args:
        path: it need not exist, nor its folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, key: str) -> TrialVerdict | None:
        """The verdict remembered under ``key``, marked so."""
        entry = self._read().verdicts.get(key)
        if entry is None or (
            entry.verdict.outcome is TrialOutcome.CRASHED and not 0 <= time.time() - entry.time < _CRASH_LASTS
        ):
            return None
        return replace(entry.verdict, remembered=True)

    def avoids_extra_bufts(self, machine: Mapping[str, str]) -> bool:
        """Whether repacked weights are known to fault on this machine."""
        return _hash(machine) in self._read().avoid_extra_bufts

    def remember(self, key: str, verdict: TrialVerdict, avoid_on: Mapping[str, str] | None = None) -> None:
        """Keep a verdict, if it is one that will be true tomorrow.

        Clean failures are not kept: they cost little to find again, and memory may be free by then.

        Args:
            avoid_on: the machine on which repacked weights have just been found to fault, or None.
        """
        lasting = verdict.outcome is TrialOutcome.OK or (
            verdict.outcome is TrialOutcome.CRASHED and verdict.signal != _KILLED
        )
        if not lasting:
            return
        content = self._read()
        content.verdicts.pop(key, None)  # the newest go last
        content.verdicts[key] = _Entry(replace(verdict, file=""), time.time())  # names are private
        content.verdicts = dict(list(content.verdicts.items())[-_MOST:])
        if avoid_on is not None and _hash(avoid_on) not in content.avoid_extra_bufts:
            content.avoid_extra_bufts = [*content.avoid_extra_bufts[-_MOST:], _hash(avoid_on)]
        write_cache(self._path, content)

    def _read(self) -> _File:
        """The file's content; an empty one where it is missing, damaged or of another version."""
        content = read_cache(self._path, _File)
        return content if content.version == 1 else _File()


def _hash(machine: Mapping[str, str]) -> str:
    return hashlib.sha256(msgspec.json.encode(machine)).hexdigest()
