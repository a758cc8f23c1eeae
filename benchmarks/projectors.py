"""Compares the estimate of a projector's memory with what libmtmd takes; prints a markdown table.

    python -m benchmarks.projectors

Projectors of real models' shapes with random weights and two blocks (more take no more room to compute), each
in a process that encodes its largest picture. Taken is how much that grew at the worst moment; Linux only.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from chatcli.engine.gguf import projector, read_header
from chatcli.engine.memory.estimate import projector_memory
from chatcli.library.catalog import bundled_model
from tests.engine.projector_files import write_projector
from tests.engine.projector_loading import opened, tokens

_MIB = 2**20
_WIDTH = 384  # of the bundled model
#: Name -> kind, hidden, heads, feed-forward, patch, side of the pictures trained on, of the largest one.
SHAPES = {
    "LLaVA 1.5": ("mlp", 1024, 16, 4096, 14, 336, 336),
    "Gemma 3": ("gemma3", 1152, 16, 4304, 14, 896, 896),
    "Gemma 4 E4B": ("gemma4v", 768, 12, 3072, 16, 224, 1584),
    "Ministral 3": ("pixtral", 1024, 16, 4096, 14, 1540, 448),
    "Qwen2-VL": ("qwen2vl", 1280, 16, 5120, 14, 560, 1792),
    "Qwen3.5": ("qwen3vl", 1024, 16, 4096, 16, 768, 2048),
}


def measure(path: Path, side: int) -> int:
    """Bytes by which a process grew while it encoded a picture of ``side`` x ``side`` pixels."""
    command = [sys.executable, "-m", "benchmarks.projectors", "--measure", str(path), "--side", str(side)]
    done = subprocess.run(command, capture_output=True, check=True)
    return int(json.loads(done.stdout)["grew"])


def write(path: Path, name: str) -> Path:
    """A projector of a real one's shape."""
    kind, hidden, heads, feed_forward, patch, image, _ = SHAPES[name]
    return write_projector(
        path,
        width=_WIDTH,
        kind=kind,
        hidden=hidden,
        heads=heads,
        feed_forward=feed_forward,
        patch_size=patch,
        image_size=image,
        numbers=np.float16,
    )


def _grew(path: Path, side: int) -> int:
    with opened(None, bundled_model()):
        before = _resident("VmRSS")
    with opened(path, bundled_model()) as context:
        assert tokens(context, side, side)
    return _resident("VmHWM") - before


def _resident(what: str) -> int:
    """Bytes of this process in memory, now or at most; getrusage's maximum would be the parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"^{what}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--measure", type=Path)
    parser.add_argument("--side", type=int)
    given = parser.parse_args()
    if given.measure is not None:
        print(json.dumps({"grew": _grew(given.measure, given.side)}))
        return
    print("| projector | patches | weights MiB | estimated MiB | taken MiB | off |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in SHAPES:
            header = read_header(write(Path(folder, "mmproj.gguf"), name))
            guess, true = projector_memory(header), measure(header.path, SHAPES[name][-1])
            row = (guess.weights / _MIB, guess.total / _MIB, true / _MIB)
            sizes = " | ".join(f"{size:.0f}" for size in row)
            off = f"{guess.total / true - 1:+.0%}"
            print(f"| {name} | {projector(header).patches} | {sizes} | {off} |", flush=True)


if __name__ == "__main__":
    main()
