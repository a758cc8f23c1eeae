"""How a model file is loaded: the values, and how the settings give them. Loads nothing itself."""

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from chatcli.errors import UsageError
from chatcli.settings import Settings

_SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
#: Context size of a model that was trained for more, if the settings do not say.
DEFAULT_CONTEXT_SIZE = 8192
#: ``gpu_layers`` that stands for all layers.
ALL_LAYERS = -1
#: Types of the KV cache, with their numbers in ggml (enum ggml_type).
KV_TYPES = {"f32": 0, "f16": 1, "bf16": 30, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8}


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load a model.

    Attributes:
        context_size: in tokens. None: what the model was trained for, at most ``DEFAULT_CONTEXT_SIZE``.
        gpu_layers: layers to offload, -1 for all. No effect without a GPU build of the library.
        threads: compute threads. None: one for each physical core.
        batch_size: prompt tokens in one decode. None: 512 if layers are offloaded, else 256. On a CPU 256 is
            as fast (benchmarks/LOG.md), reports progress more often and loses less of an interrupted prompt.
        use_extra_bufts: let llama.cpp repack weights for this CPU. The trial turns it off on a CPU that
            advertises instructions it does not have.
        flash_attention: None lets llama.cpp decide.
        kv_type_k, kv_type_v: types of the KV cache. A quantized V needs flash attention.
        swa_full: keep all positions of layers with a sliding window. It costs memory. Without it an older
            turn cannot be returned to, and the whole prompt is read again.
        projector: path of a projector (mmproj) for pictures, or None.
        projector_on_gpu: let the projector run on a GPU if layers are offloaded.
        picture_tokens: the most tokens of a picture, for projectors that scale. None: the projector's own.
        adapter: path of a LoRA adapter that the trial attaches, or None. Loading does not attach it.

    Raises:
        UsageError: a value makes no sense.
    """

    context_size: int | None = None
    gpu_layers: int = ALL_LAYERS
    threads: int | None = None
    batch_size: int | None = None
    use_extra_bufts: bool = True
    flash_attention: bool | None = None
    kv_type_k: str = "f16"
    kv_type_v: str = "f16"
    swa_full: bool = True
    projector: Path | None = None
    projector_on_gpu: bool = True
    picture_tokens: int | None = None
    adapter: Path | None = None

    def __post_init__(self) -> None:
        for name in ("context_size", "threads", "batch_size", "picture_tokens"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 2**31:
                raise UsageError(f"{name.replace('_', ' ')} must be a positive number, not {value}")
        for kind in (self.kv_type_k, self.kv_type_v):
            if kind not in KV_TYPES:
                raise UsageError(f"no KV cache type {kind}; there are {', '.join(KV_TYPES)}")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The options that the settings ask for. ``library/fit/plan.py`` decides what fits this machine."""
        all_layers = settings.gpu_layers in ("auto", "all")
        return cls(
            context_size=settings.ctx_size or None,
            gpu_layers=ALL_LAYERS if all_layers else int(settings.gpu_layers),
            threads=settings.threads,
            picture_tokens=settings.picture_tokens,
            kv_type_k=settings.kv_cache,
            kv_type_v=settings.kv_cache,
        )


def physical_cores() -> int:
    """Number of physical cores that this process may use, at least 1.

    Matrix products fill a core's vector units, so a second thread on a core makes it slower. On Linux the
    logical CPUs of a core count once, and a container's quota limits them. On macOS the fast cores count.
    Elsewhere all logical CPUs count.
    """
    system = platform.system()
    if system == "Linux":
        cores = len({_siblings(cpu) for cpu in os.sched_getaffinity(0)})
        return max(1, min(cores, _quota(cores)))
    if system == "Darwin":
        fast = sysctl("hw.perflevel0.physicalcpu")
        return int(fast) if fast.isdigit() else os.cpu_count() or 1
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


def sysctl(name: str) -> str:
    """A value of the system on macOS; empty if there is none."""
    try:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
