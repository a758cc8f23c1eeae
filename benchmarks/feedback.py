"""How fast, and in how much memory, a long feedback log is read.

Usage: python -m benchmarks.feedback [RECORDS]

Writes RECORDS (1,000,000) synthetic records to a temporary file, removed afterwards, and prints a table for
benchmarks/LOG.md. Each row is a fresh process, so that its peak memory is its own. ``stats`` and
``list --last 20`` should stay below 200 MB.
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec

from chatcli.chat.message import (
    FinishReason,
    Generation,
    Message,
    ModelRef,
    Role,
    Timings,
    Usage,
    system,
    user,
)
from chatcli.feedback.codec import encode
from chatcli.feedback.records import Record, Target, Thumb, Winner, comparison, new_id, rating, retraction
from chatcli.feedback.statistics import statistics_of
from chatcli.sampling import SamplingParams
from chatcli.storage.feedback.log import FeedbackLog

_RUNS = 3
_SIDES: tuple[Winner, ...] = ("left", "right", "tie")
_PLACES: tuple[Literal[0, 1], ...] = (0, 1)
_THUMBS: tuple[Thumb, ...] = (-1, 1)
_START = datetime(2024, 1, 1, tzinfo=UTC)


def records(count: int, seed: int = 1) -> Iterator[Record]:
    """Ratings and comparisons of chats of a few messages; 2% are judged again, 1% are retracted."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(5000)]

    def text(low: int, high: int) -> str:
        return " ".join(rng.choices(words, k=rng.randint(low, high)))

    models = [ModelRef(n, f"{n}.gguf", "a" * 64, "llama", "Q8_0", "b" * 64) for n in "abcd"]
    parameters, versions = SamplingParams(), {"chatcli": "0.1.0", "llama-cpp-python": "0.3.36"}
    last = ""
    for number in range(count):
        when = _START + timedelta(seconds=60 * number)
        name = new_id(when)
        if last and rng.random() < 0.01:
            yield retraction(last, time=when, id=name)
            continue
        last = name
        prompt = [system("You are a helpful assistant."), user(text(5, 60))]
        if rng.random() < 0.5:
            prompt += [Message(Role.ASSISTANT, text(20, 150)), user(text(5, 40))]

        def answer() -> Message:
            generation = Generation(
                rng.choice(models), FinishReason.END, parameters.with_seed(rng.randrange(2**31)),
                Usage(200, 150, 50, 99), Timings(0.25, 0.3, 2.5), versions,
            )  # fmt: skip
            return Message(Role.ASSISTANT, text(20, 150), None, generation)

        again = number > 10 and rng.random() < 0.02
        chat = rng.randrange(number) if again else number
        if chat % 4 == 0:
            target = Target(transcript=f"chat-{chat}", messages=(3, 4))
            pair, side, left = (answer(), answer()), rng.choice(_SIDES), rng.choice(_PLACES)
            yield comparison(prompt, pair, target, winner=side, left=left, blind=True, time=when, id=name)
        else:
            target = Target(transcript=f"chat-{chat}", messages=(3,))
            yield rating(prompt, answer(), target, thumb=rng.choice(_THUMBS), time=when, id=name)


def bare(path: Path) -> None:
    """The measure: decode every line into plain Python."""
    decode = msgspec.json.Decoder().decode
    with path.open("rb") as file:
        for line in file:
            decode(line)


def stats(path: Path) -> None:
    """What ``feedback stats`` reads."""
    statistics_of(FeedbackLog(path).read_backwards())


def last(path: Path) -> None:
    """What ``feedback list --last 20`` reads."""
    for number, _ in enumerate(FeedbackLog(path).events()):
        if number == 20:
            break


def read(path: Path) -> None:
    """Every record, validated, as ``feedback validate`` reads."""
    for _ in FeedbackLog(path).validate():
        pass


def live(path: Path) -> None:
    """The judgements that count."""
    for _ in FeedbackLog(path).live():
        pass


ROWS: dict[str, Callable[[Path], None]] = {
    "bare": bare,
    "stats": stats,
    "last": last,
    "read": read,
    "live": live,
}


def measure(name: str, path: Path) -> None:
    """One row, in this process: the best of three, against disturbances by others."""
    wall, cpu = [], []
    for _ in range(_RUNS):
        begin = time.perf_counter(), time.process_time()
        ROWS[name](path)
        wall.append(time.perf_counter() - begin[0])
        cpu.append(time.process_time() - begin[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
    print(f"| {name} | {min(wall):.2f} | {min(cpu):.2f} | {peak:.0f} |", flush=True)


def main() -> None:
    """Make, measure, print."""
    if len(sys.argv) == 3 and sys.argv[1] in ROWS:
        measure(sys.argv[1], Path(sys.argv[2]))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="chatcli-bench-") as folder:
        path = Path(folder) / "feedback.jsonl"
        with path.open("wb") as file:
            file.writelines(encode(record) + b"\n" for record in records(count))
        size = path.stat().st_size / 2**20
        load = os.getloadavg()[0]
        print(f"{count} records, {size:.0f} MiB; {os.cpu_count()} CPUs, load average {load:.1f}\n")
        print("| | wall s | CPU s | peak MiB |\n|---|---|---|---|", flush=True)
        for name in ROWS:
            subprocess.run([sys.executable, "-m", "benchmarks.feedback", name, str(path)], check=True)


if __name__ == "__main__":
    main()
