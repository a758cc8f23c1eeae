"""Recommends models of the catalogue: the most capable that runs well, a quicker, another one."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from chatcli.engine.llama.load_options import physical_cores
from chatcli.engine.machine import Device, devices
from chatcli.engine.memory.process import memory
from chatcli.library.catalog import CatalogEntry
from chatcli.library.stores import Places
from chatcli.library.stores.repo_cache import free_space
from chatcli.words import byte_size

_KEEP = 500_000_000  # bytes of main memory left to the rest of the machine, at least
_SHARE = 0.85  # of what is available
# Bytes of weights a core reads in a second while it computes with them (benchmarks/LOG.md: 1.2B Q4_K_M on two
# cores, 15 tokens a second), and what main memory gives at most. They are used to choose only.
_PER_CORE, _MEMORY = 5_500_000_000, 40_000_000_000
_PROGRESS = 1.35  # a year later, a model does what one so much larger did
_FLUENT = 6.0  # tokens a second: about as fast as people read
_QUICK = 2.0  # times as fast


@dataclass(frozen=True, slots=True)
class Facts:
    """Resources of a machine, in bytes; 0 if unknown.

    Attributes:
        available: main memory that can be used, within the limits of a control group.
        gpu: free memory on GPUs.
        disk: free where models go.
        cores: physical cores.
    """

    available: int
    gpu: int
    disk: int
    cores: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """A recommended model.

    Attributes:
        entry: of the catalogue.
        reason: why, in words.
        where: ``GPU`` or ``CPU``.
        present: whether it is on this machine already.
    """

    entry: CatalogEntry
    reason: str
    where: str
    present: bool = False


def recommend(facts: Facts, entries: Sequence[CatalogEntry], present: Collection[str] = ()) -> list[Proposal]:
    """Up to three models, the one to begin with first; none where nothing fits.

    Args:
        facts: what the machine offers.
        entries: chat models, from small to large.
        present: names of those that are on this machine already, which need no free disk.
    """
    fitting = [e for e in entries if e.kind == "chat" and fits(e, facts, present)]
    fluent = [e for e in fitting if _speed(e, facts) >= _FLUENT]
    if not fitting:
        return []
    best = max(fluent, key=_merit) if fluent else max(fitting, key=lambda e: _speed(e, facts))
    found = [(best, _best_reason(best, facts, bool(fluent)))]
    faster = [e for e in fitting if _speed(e, facts) >= _QUICK * _speed(best, facts) and e is not best]
    if faster:
        quick = max(faster, key=_merit)
        times = _speed(quick, facts) / _speed(best, facts)
        found.append((quick, f"answers about {times:.0f} times as fast; {quick.good_for}"))
    chosen = {entry.name for entry, _ in found}
    rest = [e for e in fitting if e.name not in chosen]
    larger = [e for e in rest if _merit(e) > _merit(best)]
    if larger:
        slow = max(larger, key=_merit)
        speed = f"{_speed(slow, facts):.0f} tokens a second"
        found.append((slow, f"more capable and slower, about {speed}; {slow.good_for}"))
    elif rest:
        other = max(rest, key=_merit)
        found.append((other, f"another of that size to compare with; {other.good_for}"))
    return [Proposal(entry, why, _where(entry, facts), entry.name in present) for entry, why in found]


def measured(places: Places, *, gpu: bool = True) -> Facts:
    """Measure this machine.

    Args:
        places: where models go; their disk counts.
        gpu: ask llama.cpp for GPUs, which loads it.
    """
    found: list[Device] = []
    if gpu:
        with suppress(ImportError, OSError, RuntimeError):  # it does not load: ``chatcli doctor`` says why
            found = [device for device in devices() if device.kind in ("gpu", "igpu")]
    disk = 0
    with suppress(OSError):
        disk = free_space(places.hub[0] if places.hub else places.models)
    own = [device for device in found if device.kind == "gpu"] or found
    return Facts(
        available=memory().available,
        gpu=sum(device.free_memory for device in own),
        disk=disk,
        cores=physical_cores(),
    )


def room(facts: Facts) -> int:
    """Bytes of main memory a model may take."""
    return max(0, min(int(facts.available * _SHARE), facts.available - _KEEP))


def fits(entry: CatalogEntry, facts: Facts, present: Collection[str]) -> bool:
    """Whether a model fits the disk, if it must be fetched, and a GPU or main memory."""
    if facts.disk and entry.name not in present and entry.size * 1.05 > facts.disk:
        return False
    return _where(entry, facts) == "GPU" or entry.memory <= room(facts)


def _where(entry: CatalogEntry, facts: Facts) -> str:
    return "GPU" if facts.gpu and entry.memory <= facts.gpu else "CPU"


def _speed(entry: CatalogEntry, facts: Facts) -> float:
    """Tokens a second, about; a GPU counts as ten times what main memory gives."""
    if _where(entry, facts) == "GPU":
        return 10 * _MEMORY / entry.read_per_token
    return min(_PER_CORE * max(facts.cores, 1), _MEMORY) / entry.read_per_token


def _merit(entry: CatalogEntry) -> float:
    """How capable a model is: by its weights, of which those that rest count in part, and by its year."""
    weights = (entry.size * entry.read_per_token) ** 0.5 + 0.25 * entry.size
    return float(weights * _PROGRESS ** (entry.year - 2024))


def _best_reason(entry: CatalogEntry, facts: Facts, fluent: bool) -> str:
    into = (
        f"the {byte_size(facts.gpu)} of your GPU"
        if _where(entry, facts) == "GPU"
        else f"the {byte_size(facts.available)} of memory that are free"
    )
    pace = "the most capable that answers as fast as one reads" if fluent else "the quickest there is"
    return f"{pace} and fits {into}; {entry.good_for}"
