"""Describes this machine and this build of llama.cpp, for ``chatcli doctor`` and as keys of verdicts."""

import ctypes
import functools
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chatcli import __version__
from chatcli.engine.llama.load_options import physical_cores, sysctl
from chatcli.engine.llama.native import Native, load
from chatcli.engine.memory.process import Memory, memory

_PACKAGES = (
    "llama-cpp-python",
    "huggingface-hub",
    "jinja2",
    "msgspec",
    "platformdirs",
    "prompt-toolkit",
    "rich",
    "typer",
)
_DEVICE_KINDS = ("cpu", "gpu", "igpu", "accel", "meta")  # enum ggml_backend_dev_type


@dataclass(frozen=True, slots=True)
class Device:
    """A device that llama.cpp can compute on."""

    name: str  # such as CUDA0
    description: str  # such as NVIDIA H200
    kind: str  # one of _DEVICE_KINDS; an igpu shares main memory
    backend: str
    free_memory: int  # bytes; 0 if the backend does not say
    total_memory: int


@dataclass(frozen=True, slots=True)
class Library:
    """The build of llama.cpp in use: its versions, and what it supports here."""

    llama_cpp: str
    ggml: str
    commit: str
    features: tuple[str, ...]  # instruction sets and options, such as AVX2 and LLAMAFILE
    system_info: str  # llama.cpp's own line about them
    backends: tuple[str, ...]  # such as CPU, CUDA, Metal, BLAS
    devices: tuple[Device, ...]
    gpu_offload: bool
    mmap: bool
    mlock: bool
    mtmd: bool  # it has libmtmd, with which models see pictures


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor."""

    model: str
    logical: int
    physical: int  # cores that this process may use
    flags: tuple[str, ...]  # features it advertises, sorted; known on Linux and macOS

    @property
    def advertises_amx(self) -> bool:
        """Whether it claims to have AMX. Some virtual machines do and crash on it."""
        return any(flag.startswith("amx") for flag in self.flags)


@dataclass(frozen=True, slots=True)
class Disk:
    """Space on the disk of a folder, in bytes; 0 if the system does not say."""

    path: str
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class MachineReport:
    """Everything that ``chatcli doctor`` shows about the machine."""

    python: str
    executable: str
    platform: str
    packages: Mapping[str, str]  # versions of those that are installed, by name
    cpu: Cpu
    memory: Memory
    library: Library | None  # None if llama.cpp cannot be loaded
    library_error: str  # why not
    disks: tuple[Disk, ...]

    def as_dict(self) -> dict[str, Any]:
        """The report in values that JSON can hold, with ``cpu.advertises_amx``."""
        report = asdict(self)
        report["cpu"]["advertises_amx"] = self.cpu.advertises_amx
        return report


def describe_machine(places: Sequence[Path] = ()) -> MachineReport:
    """Describe the machine and the disks of some folders, which need not exist yet. Loads no model."""
    library, library_error = None, ""
    try:
        library = library_report()
    except (ImportError, OSError, RuntimeError) as error:  # the library does not load
        library_error = " ".join(str(error).split()) or type(error).__name__
    return MachineReport(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        executable=sys.executable or "",
        platform=platform.platform(),
        packages=_package_versions(),
        cpu=cpu(),
        memory=memory(),
        library=library,
        library_error=library_error,
        disks=tuple(_disk(place) for place in places),
    )


def library_report() -> Library:
    """Describe the build of llama.cpp; raises ImportError, OSError or RuntimeError if it does not load."""
    native = load()
    lib = native.lib
    info = (lib.llama_print_system_info() or b"").decode("utf-8", "replace").strip()
    return Library(
        llama_cpp=_version(native, "llama_version"),
        ggml=_version(native, "ggml_version"),
        commit=_version(native, "ggml_commit"),
        features=tuple(name for name, value in re.findall(r"(\w+) = (\w+)", info) if value != "0"),
        system_info=info,
        backends=_backends(native),
        devices=devices(),
        gpu_offload=bool(lib.llama_supports_gpu_offload()),
        mmap=bool(lib.llama_supports_mmap()),
        mlock=bool(lib.llama_supports_mlock()),
        mtmd=native.mtmd is not None,
    )


def library_build() -> Mapping[str, str]:
    """What tells builds of the library apart. One from source may change its flags and keep its version."""
    report, native = library_report(), load()
    folder = Path(native.lib.llama_cpp._base_path)  # an environment variable of the binding may have moved it
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    stamps = [f"{f.name} {f.stat().st_size} {f.stat().st_mtime_ns}" for f in files]
    return {
        "llama-cpp-python": native.lib.__version__,
        "llama.cpp": f"{report.llama_cpp} {report.ggml} {report.commit}",
        "features": report.system_info,
        "files": hashlib.sha256("\n".join(stamps).encode()).hexdigest(),
    }


def devices() -> tuple[Device, ...]:
    """All devices that llama.cpp sees, the CPU among them. Raises as ``library_report``."""
    native = load()
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    count = native.symbol("ggml_backend_dev_count", size)
    get = native.symbol("ggml_backend_dev_get", pointer, size)
    name = native.symbol("ggml_backend_dev_name", ctypes.c_char_p, pointer)
    description = native.symbol("ggml_backend_dev_description", ctypes.c_char_p, pointer)
    kind = native.symbol("ggml_backend_dev_type", ctypes.c_int, pointer)
    backend = native.symbol("ggml_backend_dev_backend_reg", pointer, pointer)
    backend_name = native.symbol("ggml_backend_reg_name", ctypes.c_char_p, pointer)
    space = native.symbol(
        "ggml_backend_dev_memory", None, pointer, ctypes.POINTER(size), ctypes.POINTER(size)
    )
    if not (count and get and name and description and kind and backend and backend_name and space):
        return ()  # another generation of ggml
    found = []
    for index in range(count()):
        device = get(index)
        free, total = size(), size()
        space(device, ctypes.byref(free), ctypes.byref(total))
        found.append(
            Device(
                name=_decoded(name(device)),
                description=_decoded(description(device)),
                kind=dict(enumerate(_DEVICE_KINDS)).get(kind(device), "other"),
                backend=_decoded(backend_name(backend(device))),
                free_memory=free.value,
                total_memory=total.value,
            )
        )
    return tuple(found)


def _backends(native: Native) -> tuple[str, ...]:
    count = native.symbol("ggml_backend_reg_count", ctypes.c_size_t)
    get = native.symbol("ggml_backend_reg_get", ctypes.c_void_p, ctypes.c_size_t)
    name = native.symbol("ggml_backend_reg_name", ctypes.c_char_p, ctypes.c_void_p)
    if not (count and get and name):
        return ()
    return tuple(_decoded(name(get(index))) for index in range(count()))


def _version(native: Native, function: str) -> str:
    symbol = native.symbol(function, ctypes.c_char_p)
    return _decoded(symbol()) if symbol else ""


def _decoded(text: bytes | None) -> str:
    return (text or b"").decode("utf-8", "replace")


def _package_versions() -> dict[str, str]:
    versions = {"chatcli": __version__}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache
def cpu() -> Cpu:
    """The processor. It does not change while we run."""
    name, flags = "", ""
    if sys.platform == "linux":
        name, flags = _linux_cpu()
    elif sys.platform == "darwin":
        name = sysctl("machdep.cpu.brand_string")
        flags = sysctl("machdep.cpu.features") or sysctl("hw.optional")
    elif sys.platform == "win32":
        name = os.environ.get("PROCESSOR_IDENTIFIER", "")
    name = name or platform.processor() or platform.machine()
    return Cpu(name, os.cpu_count() or 1, physical_cores(), tuple(sorted(set(flags.lower().split()))))


def cpu_identity() -> str:
    """Model name and a hash of the features: a virtual machine may hide some that its neighbour shows."""
    this = cpu()
    return f"{this.model} {hashlib.sha256(' '.join(this.flags).encode()).hexdigest()[:16]}"


def _linux_cpu() -> tuple[str, str]:
    """Name and flags from /proc/cpuinfo, whose keys differ between x86, ARM and others."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip().lower(), value.strip())
    name = next(
        (fields[key] for key in ("model name", "hardware", "cpu model", "cpu") if fields.get(key)), ""
    )
    if not name and "cpu implementer" in fields:
        name = f"ARM implementer {fields['cpu implementer']} part {fields.get('cpu part', '?')}"
    return name, fields.get("flags") or fields.get("features") or ""


def _disk(place: Path) -> Disk:
    nearest = next((p for p in (place, *place.absolute().parents) if p.exists()), Path.cwd())
    try:
        usage = shutil.disk_usage(nearest)
    except OSError:
        return Disk(str(place), 0, 0)
    return Disk(str(place), usage.free, usage.total)
