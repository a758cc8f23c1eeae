"""Compares our reader of GGUF headers with the reference package's; prints a markdown table.

    python -m benchmarks.headers [MODEL.gguf ...]

Without models: a file without weights, with a vocabulary of 151,936 tokens and as many merges (Qwen's sizes).
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gguf

from chatcli.engine.gguf import read_header

_TOKENS = 151_936


def write_vocabulary(path: Path, count: int = _TOKENS) -> Path:
    """Write a header with a large vocabulary."""
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_token_list([f"token{number}" for number in range(count)])
    writer.add_token_types([1] * count)
    writer.add_token_merges([f"tok en{number}" for number in range(count)])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def seconds(read: Callable[[Path], object], path: Path, repeats: int) -> float:
    """Median time of a reading."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        read(path)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = arguments.models or [write_vocabulary(Path(folder, "vocabulary.gguf"))]
        print("| file | read_header s | gguf.GGUFReader s |\n|---|---|---|")
        for path in models:
            ours = seconds(read_header, path, arguments.repeats)
            theirs = seconds(gguf.GGUFReader, path, arguments.repeats)
            print(f"| {path.name} | {ours:.3f} | {theirs:.2f} |")


if __name__ == "__main__":
    main()
