"""How much memory this process may use: the machine's, and what a control group leaves of it."""

import ctypes
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory, in bytes; 0 where the system does not say.

    Attributes:
        total: of the machine, or the control group's limit where that is lower.
        available: that can be used without swapping, within the same limit.
        limit: the control group's limit; None without one.
    """

    total: int
    available: int
    limit: int | None = None


def memory() -> Memory:
    """Memory as the system reports it now."""
    if sys.platform == "win32":
        return _windows()
    if sys.platform == "darwin":
        return _macos()
    return linux_memory(_PROC, _CGROUPS)


def linux_memory(proc: Path, cgroups: Path) -> Memory:
    """Memory on Linux.

    Args:
        proc: where procfs is mounted.
        cgroups: where control groups are, of version 2 or 1.
    """
    lines = re.findall(r"^(\w+):\s+(\d+) kB$", _text(proc / "meminfo"), re.MULTILINE)
    sizes = {name: int(kilobytes) * 1024 for name, kilobytes in lines}
    total, available = sizes.get("MemTotal", 0), sizes.get("MemAvailable", sizes.get("MemFree", 0))
    limits = [pair for pair in _limits(proc, cgroups) if not total or pair[0] < total]
    if not limits:
        return Memory(total, available)
    left = [max(0, limit - used) for limit, used in limits]
    lowest = min(limit for limit, _ in limits)
    return Memory(lowest, min([available, *left]), lowest)


def _limits(proc: Path, cgroups: Path) -> list[tuple[int, int]]:
    """Limit and use, in bytes, of every control group this process is in, and of the groups above them."""
    found = []
    for line in _text(proc / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        root = cgroups / "memory" if controllers else cgroups
        names = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes")
            if controllers
            else ("memory.max", "memory.current")
        )
        inside = root / place.lstrip("/")
        # Inside a container the own group may be mounted as the root, and its path from outside not exist.
        for folder in (inside, *inside.parents):
            limit, used = (_number(folder / name) for name in names)
            if limit is not None:
                found.append((limit, _without_cache(folder, used or 0)))
            if folder == root:
                break
    return found


def _without_cache(folder: Path, used: int) -> int:
    """Use without file pages that are given back on demand; a model that is mapped counts there too."""
    inactive = re.search(r"^(?:total_)?inactive_file (\d+)$", _text(folder / "memory.stat"), re.MULTILINE)
    return max(0, used - int(inactive[1])) if inactive else used


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    said = _text(path).strip()
    return int(said) if said.isdecimal() else None


def _macos() -> Memory:
    total = re.search(r"\d+", _run("sysctl", "-n", "hw.memsize"))
    pages = _run("vm_stat")
    size = re.search(r"page size of (\d+)", pages)
    free = sum(
        int(n) for n in re.findall(r"^Pages (?:free|inactive|speculative|purgeable):\s+(\d+)", pages, re.M)
    )
    return Memory(int(total[0]) if total else 0, free * int(size[1]) if size else 0)


def _run(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _windows() -> Memory:
    class Status(ctypes.Structure):
        """MEMORYSTATUSEX."""

        _fields_ = [
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *((name, ctypes.c_uint64) for name in ("total", "available", "a", "b", "c", "d", "e")),
        ]

    status = Status(length=ctypes.sizeof(Status))
    kernel32 = getattr(ctypes, "windll").kernel32  # noqa: B009 - the attribute exists on Windows only
    if not kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return Memory(0, 0)
    return Memory(status.total, status.available)
