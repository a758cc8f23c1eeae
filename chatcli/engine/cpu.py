"""How many threads llama.cpp should compute with."""

import os
import platform
import re
import subprocess
from pathlib import Path

_SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def physical_cores() -> int:
    """Number of physical cores that this process may use, at least 1.

    Matrix products fill a core's vector units, so a second thread on a core makes it slower. On Linux the
    logical CPUs of a core count once, and a container's quota limits them. On macOS the fast cores count.
    Elsewhere all logical CPUs count.
    """
    system = platform.system()
    if system == "Linux":
        allowed = os.sched_getaffinity(0)
        cores = {_siblings(cpu) for cpu in allowed}
        return max(1, min(len(cores), _quota(len(cores))))
    if system == "Darwin":
        return _fast_cores() or os.cpu_count() or 1
    return os.cpu_count() or 1


def _siblings(cpu: int) -> str:
    try:
        return Path(_SIBLINGS.format(cpu)).read_text(encoding="ascii").strip()
    except OSError:
        return str(cpu)


def _quota(otherwise: int) -> int:
    """Whole CPUs that the control group allows (cgroup v2, cpu.max: "quota period" or "max period")."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return otherwise


def _fast_cores() -> int:
    try:
        said = subprocess.run(
            ["sysctl", "-n", "hw.perflevel0.physicalcpu"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return int(said) if re.fullmatch(r"\s*\d+\s*", said) else 0
