"""Compares the estimate of a model's memory with what llama.cpp allocates; prints a markdown table.

    python -m benchmarks.memory [MODEL.gguf ...] [--contexts 512,2048,8192] [--types f16,q8_0]

Without models: the bundled one, and files of real models' shapes without weights (``benchmarks/shapes.py``).
Allocated is the sum of the buffers llama.cpp reports when it loads: weights, cache, states, compute, output.
"""

import argparse
import ctypes
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.shapes import SHAPES, write
from chatcli.engine.gguf import read_header, read_shards
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.llama.loading import load_model
from chatcli.engine.llama.native import load
from chatcli.engine.memory.estimate import estimate
from chatcli.errors import ModelError
from chatcli.library.catalog import bundled_model

_BUFFER = re.compile(rb"(model|KV|RS|output|compute) buffer size =\s+([\d.]+) MiB")
_MIB = 2**20


class Buffers:
    """Adds up the buffers of llama.cpp's log while it is used as a context manager."""

    def __init__(self) -> None:
        self.sizes = {"weights": 0.0, "cache": 0.0, "compute": 0.0}
        self._native = load()
        self._callback = self._native.lib.llama_log_callback(self._hear)

    def __enter__(self) -> "Buffers":
        self._native.lib.llama_log_set(self._callback, ctypes.c_void_p(0))
        return self

    def __exit__(self, *_: object) -> None:
        self._native.lib.llama_log_set(self._native._callback, ctypes.c_void_p(0))

    def _hear(self, level: int, text: bytes, data: object) -> None:
        self._native.log.feed(level, text, data)
        found = _BUFFER.search(text)
        if found:
            kind = {b"model": "weights", b"KV": "cache", b"RS": "cache"}.get(found[1], "compute")
            self.sizes[kind] += float(found[2])


def measure(path: Path, options: LoadOptions) -> dict[str, float]:
    """What llama.cpp allocates for a model, in MiB: weights, cache, compute.

    Raises:
        ModelError: it cannot be loaded.
    """
    with Buffers() as heard:
        load_model(path, options).free()
    return heard.sizes


def rows(name: str, path: Path, contexts: list[int], types: list[str]) -> Iterator[str]:
    """Lines of the table for one model."""
    shards = read_shards(read_header(path))
    for context in contexts:
        for kind in types:
            options = LoadOptions(
                context_size=context,
                gpu_layers=0,
                kv_type_k=kind,
                kv_type_v=kind,
                use_extra_bufts=False,
            )
            guess = estimate(shards, options)
            try:
                true = measure(path, options)
            except ModelError as error:
                yield f"| {name} | {context} | {kind} | {error} |"
                continue
            guessed = (guess.weights / _MIB, guess.cache / _MIB, guess.compute / _MIB)
            pairs = " | ".join(f"{g:.1f} / {t:.1f}" for g, t in zip(guessed, true.values(), strict=True))
            total = sum(true.values())
            sums = f"{guess.total / _MIB:.1f} / {total:.1f} | {guess.total / _MIB / total - 1:+.1%}"
            yield f"| {name} | {context} | {kind} | {pairs} | {sums} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--contexts", default="512,2048,8192")
    parser.add_argument("--types", default="f16,q8_0")
    given = parser.parse_args()
    contexts = [int(part) for part in given.contexts.split(",")]
    print("| model | context | cache | weights | cache | compute | total, estimated / allocated MiB | off |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        models = [(path.stem, path) for path in given.models]
        if not models:
            models = [("bundled", bundled_model())]
            models += [
                (name, write(Path(folder, f"{i}.gguf"), s)) for i, (name, s) in enumerate(SHAPES.items())
            ]
        for name, path in models:
            for row in rows(name, path, contexts, given.types.split(",")):
                print(row, flush=True)


if __name__ == "__main__":
    main()
