"""Two writers, SIGKILL at random moments: what was acknowledged is there, and nothing is merged."""

import os
import random
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass
class Writer:
    """One appending process at a time; started again after each kill."""

    name: str
    log: Path
    mode: str
    program: str = "tests.files.appender"
    acknowledged: list[int] = field(default_factory=list)
    next_number: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        arguments = [str(self.log), self.name, str(self.next_number), self.mode]
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.program, *arguments], stdout=subprocess.PIPE, cwd=ROOT
        )

    def kill(self, *, seconds_into_a_write: float = 0.0) -> None:
        """SIGKILL while it writes, then note what it had acknowledged."""
        assert self.process is not None
        assert self.process.stdout is not None
        said = b""
        while not said.endswith(b"w\n"):
            more = os.read(self.process.stdout.fileno(), 2**16)
            assert more, f"{self.name} ended by itself"
            said += more
        time.sleep(seconds_into_a_write)
        self.process.kill()
        rest, _ = self.process.communicate()
        self.acknowledged += [int(line[2:]) for line in (said + rest).splitlines() if line.startswith(b"a ")]
        self.next_number = max([self.next_number, *self.acknowledged]) + 1000

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Writes nothing meanwhile."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@dataclass
class Verdict:
    """What the file holds after the kills."""

    lost: int
    merged: int
    torn: int


def judge(log: Path, writers: list[Writer]) -> Verdict:
    """Compare the file with what was acknowledged."""
    found: set[tuple[str, int]] = set()
    merged = torn = 0
    for line in log.read_bytes().split(b"\n")[:-1]:
        parts = line.split(b" ")
        if len(parts) == 4 and len(parts[3]) == 8 and zlib.crc32(parts[2]) == int(parts[3], 16):
            found.add((parts[0].decode(), int(parts[1])))
        elif len(parts) > 3:
            merged += 1
        else:
            torn += 1
    lost = sum((w.name, n) not in found for w in writers for n in w.acknowledged)
    return Verdict(lost, merged, torn)


def torture(
    log: Path,
    kills: int,
    mode: str,
    *,
    until_damage: bool = False,
    program: str = "tests.files.appender",
    judge: Callable[[Path, list[Writer]], Verdict] = judge,
) -> tuple[Verdict, list[Writer]]:
    """Kill one of two writers, at a random moment of a write, ``kills`` times.

    Args:
        program: the module of the writers.
        judge: compares the file with what was acknowledged.
    """
    writers = [Writer("left", log, mode, program), Writer("right", log, mode, program)]
    for writer in writers:
        writer.start()
    for _ in range(kills):
        victim = random.choice(writers)
        victim.kill(seconds_into_a_write=random.choice([0.0, random.expovariate(1 / 0.001)]))
        damaged = False
        if until_damage:
            other = next(writer for writer in writers if writer is not victim)
            with other.paused():  # or, on a busy machine, it writes faster than is read
                damaged = judge(log, writers).merged > 0
        victim.start()
        if damaged:
            break
    for writer in writers:
        writer.kill()
    # One more append by a healthy process: a torn tail must not swallow it.
    last = Writer("last", log, mode, program)
    while not last.acknowledged:
        last.start()
        last.kill(seconds_into_a_write=0.1)
    return judge(log, [*writers, last]), [*writers, last]


def check_nothing_is_lost(log: Path, kills: int) -> None:
    """The claim, for the default run and for the soak."""
    verdict, writers = torture(log, kills, "repaired")
    assert sum(len(w.acknowledged) for w in writers) > 0
    assert verdict.lost == 0, verdict
    assert verdict.merged == 0, verdict
    assert log.stat().st_mode & 0o777 == 0o600


def test_twenty_kills_lose_nothing(tmp_path: Path) -> None:
    """No acknowledged record is lost and no fragment is merged into another over 20 SIGKILLs."""
    check_nothing_is_lost(tmp_path / "log", 20)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    """The same over 200 SIGKILLs."""
    check_nothing_is_lost(tmp_path / "log", 200)


def test_without_the_tail_repair_the_same_kills_do_damage(tmp_path: Path) -> None:
    """The control: with the repair switched off, the same torture merges a fragment with a later record."""
    verdict, _ = torture(tmp_path / "log", 300, "unrepaired", until_damage=True)
    assert verdict.merged > 0
