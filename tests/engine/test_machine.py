"""What the machine is said to be: for ``chatcli doctor``, and as part of a verdict's key."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import chatcli
from chatcli.engine.llama.native import load
from chatcli.engine.machine import (
    cpu,
    cpu_identity,
    describe_machine,
    devices,
    library_build,
    library_report,
)
from chatcli.engine.memory.process import Memory, linux_memory, memory
from chatcli.engine.trial.process import child_environment

GIB = 1 << 30


def test_the_report_is_complete_and_json(tmp_path: Path) -> None:
    """Versions, processor, memory, library and disks, in values JSON can hold."""
    report = describe_machine([tmp_path, tmp_path / "not" / "there"])
    assert report.packages["chatcli"] == chatcli.__version__
    assert report.packages["llama-cpp-python"] == load().lib.__version__
    assert {"rich", "prompt-toolkit", "typer"} <= report.packages.keys()
    assert report.library_error == ""
    assert report.executable == sys.executable
    assert [disk.path for disk in report.disks] == [str(tmp_path), str(tmp_path / "not" / "there")]
    assert {disk.total for disk in report.disks} == {shutil.disk_usage(tmp_path).total}
    again = json.loads(json.dumps(report.as_dict()))
    assert again["cpu"]["advertises_amx"] is report.cpu.advertises_amx
    assert again["library"]["devices"][0]["name"] == devices()[0].name


def test_the_library_tells_its_back_ends_and_devices() -> None:
    """The CPU is always one; features are those of its own line; a GPU means it can offload."""
    report = library_report()
    assert "CPU" in report.backends
    assert report.llama_cpp == load().lib.llama_version().decode()
    assert report.ggml.count(".") == 2
    assert [d for d in report.devices if d.kind == "cpu" and d.total_memory > 0]
    assert all(f"{feature} = " in report.system_info for feature in report.features)
    assert all(f"{feature} = 0" not in report.system_info.split(" | ") for feature in report.features)
    assert any(d.kind in ("gpu", "igpu") for d in report.devices) <= report.gpu_offload


def test_the_processor_has_a_name_and_a_stable_identity() -> None:
    """The same CPU has the same identity each time, and it depends on the features."""
    this = cpu()
    assert this.model
    assert 1 <= this.physical <= this.logical
    assert this.advertises_amx is any(flag.startswith("amx") for flag in this.flags)
    assert cpu_identity() == cpu_identity()
    assert this.model in cpu_identity()
    assert library_build() == library_build()


def test_without_the_library_the_rest_is_still_told() -> None:
    """A binding that does not load is what doctor is for."""
    script = (
        "import sys; sys.modules['llama_cpp'] = None\n"
        "from chatcli.engine.machine import describe_machine\n"
        "report = describe_machine()\n"
        "print(report.library, '|', report.library_error, '|', report.cpu.model)\n"
    )
    command, environment = [sys.executable, "-c", script], child_environment(os.environ)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    library, error, name = done.stdout.strip().split(" | ")
    assert (library, name) == ("None", cpu().model)
    assert "llama_cpp" in error


def test_there_is_memory() -> None:
    """Whatever the system, some of it is there and some of that is left."""
    found = memory()
    assert 0 < found.available <= found.total


def system(tmp_path: Path, files: dict[str, str]) -> Memory:
    """Memory of a made-up Linux with 16 GiB, 8 of them available, and these further files."""
    base = {"proc/meminfo": f"MemTotal:  {16 << 20} kB\nMemFree: 1 kB\nMemAvailable: {8 << 20} kB\n"}
    for name, content in (base | files).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return linux_memory(tmp_path / "proc", tmp_path / "cgroup")


def test_without_control_groups_the_machine_counts(tmp_path: Path) -> None:
    """No limit, or one that is none."""
    assert system(tmp_path, {}) == Memory(16 * GIB, 8 * GIB, None)
    unlimited = {"proc/self/cgroup": "0::/a/b\n", "cgroup/a/b/memory.max": "max\n"}
    assert system(tmp_path, unlimited) == Memory(16 * GIB, 8 * GIB, None)


def test_a_control_group_limits_memory(tmp_path: Path) -> None:
    """Version 2: the group's and its parents' limits hold; file pages that can be dropped count as free."""
    files = {
        "proc/self/cgroup": "0::/a/b\n",
        "cgroup/a/b/memory.max": "max\n",
        "cgroup/a/memory.max": f"{4 * GIB}\n",
        "cgroup/a/memory.current": f"{3 * GIB}\n",
        "cgroup/a/memory.stat": f"anon 5\ninactive_file {2 * GIB}\n",
    }
    assert system(tmp_path, files) == Memory(4 * GIB, 3 * GIB, 4 * GIB)


def test_a_control_group_of_version_1_limits_memory(tmp_path: Path) -> None:
    """Only the memory controller's line counts; its "no limit" is a huge number."""
    files = {
        "proc/self/cgroup": "5:cpu:/elsewhere\n4:memory:/a\n",
        "cgroup/memory/a/memory.limit_in_bytes": f"{2 * GIB}\n",
        "cgroup/memory/a/memory.usage_in_bytes": f"{GIB}\n",
        "cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    }
    assert system(tmp_path, files) == Memory(2 * GIB, GIB, 2 * GIB)


def test_in_a_container_the_group_is_the_root(tmp_path: Path) -> None:
    """The path seen from outside does not exist inside; the limit is found at the root."""
    files = {
        "proc/self/cgroup": "0::/docker/0123\n",
        "cgroup/memory.max": f"{GIB}\n",
        "cgroup/memory.current": "0\n",
    }
    assert system(tmp_path, files) == Memory(GIB, GIB, GIB)
