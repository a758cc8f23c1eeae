"""How fast judgements become a dataset, and in how much memory.

Usage: python -m benchmarks.export [COUNT]

Makes a log of COUNT (1,000,000) judgements in a temporary folder, removed afterwards, and prints a table for
benchmarks/LOG.md: the rows a second and the peak memory of bare loops that decode every line and encode it
again, and of exports, each in a process of its own.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chatcli.chat.message import FinishReason, Generation, Message, ModelRef, Role, Timings, Usage, user
from chatcli.feedback.codec import encode
from chatcli.feedback.records import Record, Target, comparison, correction, ranking, rating, retraction
from chatcli.sampling import SamplingParams

_LOOPS = {
    "json.loads, json.dumps": "import json; decode, encode = json.loads, lambda v: json.dumps(v).encode()",
    "msgspec, no types": "import msgspec; decode, encode = msgspec.json.decode, msgspec.json.encode",
    "the log's codec": "from chatcli.feedback.codec import decode, encode",
}
_LOOP = """
{how}
with open({file!r}, 'rb') as log, open({out!r}, 'wb') as out:
    for line in log:
        out.write(encode(decode(line)) + b'\\n')
"""
_EXPORTS = (
    "export -f dpo", "export -f kto", "export -f sft", "export -f raw", "export -f dpo --split 0.9",
)  # fmt: skip
_EXPORT = """
import sys
sys.argv = ['export', *{arguments!r}]
import typer
from chatcli.cli.feedback.export import export
app = typer.Typer()
app.command()(export)
app()
"""


def make(path: Path, count: int, seed: int = 1) -> None:
    """Write a log: mostly thumbs, many prompts with several answers, some of everything else."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(5000)]
    by = Generation(
        ModelRef("lkjsxclm", "lkjsxclm-q8_0.gguf", "a" * 64, "llama", "Q8_0", "b" * 64, "", 1.0, 2048),
        FinishReason.END, SamplingParams(seed=7), Usage(120, 100, 20, 33), Timings(0.25, 0.3, 1.75),
        {"chatcli": "0.1.0", "llama-cpp-python": "0.3.36"},
    )  # fmt: skip

    def said(length: int) -> str:
        return " ".join(rng.choices(words, k=length))

    def answer() -> Message:
        return Message(Role.ASSISTANT, said(rng.randint(10, 120)), None, by)

    start = datetime(2021, 11, 20, tzinfo=UTC)
    prompt: list[Message] = []
    last = ""
    with path.open("wb") as out:
        for number in range(count):
            if number % 3 == 0 or not prompt:
                prompt = [user(said(rng.randint(5, 30)))]
                if rng.random() < 0.5:
                    prompt += [answer(), user(said(rng.randint(5, 30)))]
            time_of = start + timedelta(seconds=150 * number)
            target = Target(transcript=f"20261120-{number // 6:08}", messages=(number % 6,))
            dice = rng.random()
            record: Record
            if dice < 0.7:
                record = rating(prompt, answer(), target, thumb=rng.choice((-1, 1)), time=time_of)
            elif dice < 0.9:
                record = comparison(
                    prompt, (answer(), answer()), target, winner=rng.choice(("left", "right", "tie")),
                    left=0, blind=True, time=time_of,
                )  # fmt: skip
            elif dice < 0.95:
                record = correction(prompt, answer(), target, edited=said(30), time=time_of)
            elif dice < 0.98:
                record = ranking(
                    prompt, [answer() for _ in range(4)], target, ranks=(1, 2, 3, 4), blind=True, time=time_of
                )
            else:
                record = retraction(last, time=time_of)
            last = record.id
            out.write(encode(record) + b"\n")


def measure(name: str, count: int, code: str) -> float:
    """Run a program, print a row, and return its CPU time in seconds."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall, cpu = time.perf_counter() - begin, used.ru_utime + used.ru_stime
    if status:
        raise SystemExit(f"{name} failed")
    print(
        f"| {name} | {wall:.1f} | {cpu:.1f} | {count / cpu:,.0f} | {used.ru_maxrss / 1024:.0f} |", flush=True
    )
    return cpu


def main() -> None:
    """Make the log and measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, out = folder / "feedback.jsonl", folder / "out.jsonl"
        make(log, count)
        print(f"{count:,} judgements, {log.stat().st_size / 2**20:,.0f} MiB\n")
        print("| | wall s | CPU s | judgements / CPU s | peak MiB |\n|---|---|---|---|---|")
        for how, code in _LOOPS.items():
            measure(how, count, _LOOP.format(how=code, file=str(log), out=str(out)))
        for arguments in _EXPORTS:
            given = [*arguments.split()[1:], "--log", str(log), "--force", "-o", str(folder / "dataset")]
            measure(arguments, count, _EXPORT.format(arguments=given))


if __name__ == "__main__":
    main()
