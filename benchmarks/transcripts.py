"""How long listing and searching take over many conversations.

Usage: python -m benchmarks.transcripts [COUNT]

Makes COUNT (100,000) synthetic transcripts in a temporary folder, removed afterwards, and prints a table for
benchmarks/LOG.md. Every question is asked by a fresh ``TranscriptIndex``, as a new process does; of 7 the
median and the slowest are printed, and the CPU time, which tells a busy machine from slow code.
"""

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from chatcli.chat.conversation import Conversation
from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Role, assistant, user
from chatcli.chat.transcript.writer import render
from chatcli.feedback.records import Target, rating
from chatcli.storage.feedback.log import FeedbackLog
from chatcli.storage.index.index import TranscriptIndex
from chatcli.storage.transcripts import layout

_RUNS = 7
_YEARS = 5
_QUERIES = (
    "python", "the", "python bubble", '"the python"', "pyth*", "a*", "the role:user model:qwen3",
    "the before:2022", "bubble after:2026-11", "rated:good", "rated:good python", "nosuchword",
)  # fmt: skip


def make(folder: Path, count: int, seed: int = 1) -> None:
    """Write conversations of 2 to 12 messages, over five years; words are as frequent as in a language."""
    rng = random.Random(seed)
    words = ["the", "python", "bubble"] + [
        "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(30_000)
    ]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    stream = rng.choices(words, weights, k=1_000_000)
    models = [Generation(ModelRef(n, f"{n}-q4_k_m.gguf"), FinishReason.END) for n in ("lkjsxclm", "qwen3-4b")]
    start = datetime(2021, 11, 20, tzinfo=UTC)
    for number in range(count):
        began = start + timedelta(days=365 * _YEARS) * (number / count)
        conversation = Conversation(layout.new_id(began), began)
        by = rng.choice(models)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(stream) - 200)
            conversation.append(user(" ".join(stream[at : at + rng.randint(3, 30)])))
            at = rng.randrange(len(stream) - 200)
            text = " ".join(stream[at : at + rng.randint(10, 120)])
            conversation.append(Message(Role.ASSISTANT, text, None, by))
        path = layout.path_of(folder, conversation.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(render(conversation)), encoding="utf-8", newline="")
        os.utime(path, (began.timestamp(), began.timestamp()))


def measure(name: str, action: Callable[[], object], runs: int = _RUNS) -> None:
    """Print one row."""
    wall, cpu = [], []
    for _ in range(runs):
        begin = time.perf_counter(), time.process_time()
        action()
        wall.append(time.perf_counter() - begin[0])
        cpu.append(time.process_time() - begin[1])
    print(
        f"| {name} | {statistics.median(wall):.3f} | {max(wall):.3f} | {statistics.median(cpu):.3f} |",
        flush=True,
    )


def feedback_of(file: Path) -> Path:
    """The feedback log beside an index."""
    return file.with_name("feedback.jsonl")


def question(folder: Path, file: Path) -> Callable[[Callable[[TranscriptIndex], object]], None]:
    """Something that asks an index that was just opened."""

    def ask(action: Callable[[TranscriptIndex], object]) -> None:
        index = TranscriptIndex(folder, file, feedback=feedback_of(file))
        action(index)
        index.close()

    return ask


def measure_all(folder: Path, file: Path) -> None:
    """Print the table; changes the folder at the end."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    paths = list(folder.rglob("*.txt"))
    size = sum(p.stat().st_size for p in paths) / 2**20
    print(f"{len(paths)} transcripts, {size:.0f} MiB; {os.cpu_count()} CPUs, load average {load:.1f}\n")
    print("| | median s | slowest s | median CPU s |\n|---|---|---|---|", flush=True)
    ask = question(folder, file)
    newest, search = TranscriptIndex.newest, TranscriptIndex.search
    measure("build the index (or its first use)", partial(ask, newest), 1)
    judged = [layout.name_of(p.relative_to(folder).as_posix()) for p in paths[:1000]]
    log = FeedbackLog(feedback_of(file))
    for name in judged:
        log.append(
            rating(
                [user("a question")], assistant("an answer"), Target(transcript=name, messages=(2,)), thumb=1
            )
        )
    measure("list the newest 20", partial(ask, newest))
    for query in _QUERIES:
        measure(f"search `{query}`", partial(ask, partial(search, text=query)))
    (folder / "by hand.txt").write_text("<user>added by hand</user>\n", encoding="utf-8")
    measure("list after a file was added", partial(ask, newest), 1)
    victim = layout.name_of(paths[0].relative_to(folder).as_posix())
    paths[0].unlink()
    measure("forget one conversation without a trace", partial(ask, lambda index: index.forget(victim)), 1)
    print(f"\nindex: {file.stat().st_size / 2**20:.0f} MiB", flush=True)


def main() -> None:
    """Make, measure, print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(prefix="chatcli-bench-") as temporary:
        folder = Path(temporary) / "transcripts"
        make(folder, count)
        measure_all(folder, Path(temporary) / "index.sqlite")


if __name__ == "__main__":
    main()
