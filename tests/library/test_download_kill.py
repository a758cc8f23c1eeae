"""Killed, interrupted and concurrent pulls through the whole program; what counts is bytes, not time."""

import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from chatcli.library.names.hub_reference import parse_reference
from chatcli.library.stores.repo_cache import RepoCache
from tests.library.hub_server import HubServer, Repo, etag_of
from tests.library.machine import cached_file
from tests.library.pulling import PROGRAM, REPO, bundled_repo, environment, pull
from tests.program import MODEL
from tests.program import environment as program_environment

CONTENT = MODEL.read_bytes()
ETAG = etag_of(MODEL.name, CONTENT)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A hub with the bundled model."""
    with HubServer({REPO: bundled_repo()}) as server:
        yield server


def _start(hub: HubServer, home: Path, *arguments: str) -> "subprocess.Popen[str]":
    variables = program_environment(home, environment(hub, home / "hub"))
    return subprocess.Popen(
        [*PROGRAM, "pull", *arguments],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for_bytes(process: "subprocess.Popen[str]", partial: Path, wanted: int) -> None:
    """Until the partial file has grown so far, or the program has ended."""
    while process.poll() is None:
        if partial.exists() and partial.stat().st_size >= wanted:
            return
        try:
            process.wait(0.002)
        except subprocess.TimeoutExpired:
            continue


def _loadable(root: Path) -> list[Path]:
    """What a program that looks into the cache would take for a whole file."""
    blobs = [p for p in root.rglob("*") if p.is_file() and p.parent.name == "blobs" and "." not in p.name]
    return [*blobs, *(p for p in root.rglob("*.gguf") if p.is_file())]


def _kill_again_and_again(hub: HubServer, home: Path, kills: int) -> None:
    hub.rate = 4e6
    cache = RepoCache(home / "hub", REPO)
    partial, step = cache.partial(ETAG), len(CONTENT) // (kills + 1)
    draw = random.Random(1)
    kept = []
    for n in range(kills):
        before = partial.stat().st_size if partial.exists() else 0
        process = _start(hub, home, REPO)
        _wait_for_bytes(process, partial, before + draw.randrange(1, step))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, f"kill {n} came too late"
        assert _loadable(home / "hub") == []
        assert cached_file(parse_reference(REPO), home / "hub") is None
        kept.append(partial.stat().st_size)
        assert CONTENT.startswith(partial.read_bytes())
        assert kept[-1] >= before
    hub.rate = 0
    done = pull(hub, home, "--json", REPO)
    assert done.code == 0, done.stderr
    file = json.loads(done.stdout)["files"][0]
    assert Path(file["path"]).read_bytes() == CONTENT
    assert (file["resumed_from"], file["bytes_requested"]) == (kept[-1], len(CONTENT) - kept[-1])
    # Every request began exactly where the bytes on the disk ended: nothing was asked for twice.
    starts = [request.start for request in hub.requests("content")]
    assert set(starts) <= {0, *kept}
    assert starts == sorted(starts)
    # What a killed process had not yet read from its socket is the only loss.
    assert hub.sent - len(CONTENT) <= kills * 2**17


def test_killed_pulls_lose_nothing(hub: HubServer, fresh_home: Path) -> None:
    """SIGKILL at any moment: nothing can be loaded, and the next pull asks for the rest only."""
    _kill_again_and_again(hub, fresh_home, kills=6)


@pytest.mark.soak
def test_fifty_killed_pulls_lose_nothing(hub: HubServer, fresh_home: Path) -> None:
    """The same fifty times over."""
    _kill_again_and_again(hub, fresh_home, kills=50)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_pull_says_that_it_goes_on(
    hub: HubServer, fresh_home: Path, number: signal.Signals
) -> None:
    """Ctrl-C ends it at once with 130; what came is kept, and the next pull goes on from there."""
    hub.rate = 2e6
    partial = RepoCache(fresh_home / "hub", REPO).partial(ETAG)
    process = _start(hub, fresh_home, REPO)
    _wait_for_bytes(process, partial, 500_000)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "stopped; run the same command to continue" in stderr
        assert "Traceback" not in stderr
    hub.rate = 0
    kept = partial.stat().st_size
    assert 500_000 <= kept < len(CONTENT)
    assert pull(hub, fresh_home, REPO).code == 0
    assert [request.start for request in hub.requests("content")] == [0, kept]


def test_two_pulls_of_one_file_share_it(hub: HubServer, fresh_home: Path) -> None:
    """The second waits, says so, and uses the result: each byte is asked for once."""
    hub.rate = 4e6
    partial = RepoCache(fresh_home / "hub", REPO).partial(ETAG)
    first = _start(hub, fresh_home, REPO)
    _wait_for_bytes(first, partial, 1)
    second = _start(hub, fresh_home, REPO)
    ended = [process.communicate(timeout=60) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0]
    assert ended[0][0] == ended[1][0]
    assert "another program is fetching" in ended[1][1]
    assert hub.sent == len(CONTENT)


def test_a_pull_takes_over_from_one_that_died(hub: HubServer, fresh_home: Path) -> None:
    """The lock of a killed process is free at once, and its bytes are used."""
    hub.rate = 4e6
    partial = RepoCache(fresh_home / "hub", REPO).partial(ETAG)
    first = _start(hub, fresh_home, REPO)
    _wait_for_bytes(first, partial, 1)
    second = _start(hub, fresh_home, REPO)
    assert second.stderr is not None
    assert "another program is fetching" in second.stderr.readline()
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    second.communicate(timeout=60)
    assert second.returncode == 0
    assert len(hub.requests("content")) == 2
    assert hub.requests("content")[1].start > 0


def test_huggingface_hub_and_we_wait_for_each_other(hub: HubServer, fresh_home: Path) -> None:
    """The lock of a download is the one huggingface_hub takes (``filelock``, at the same path)."""
    lock = RepoCache(fresh_home / "hub", REPO).lock_file(ETAG)
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        process = _start(hub, fresh_home, REPO)
        assert process.stderr is not None
        assert "another program is fetching" in process.stderr.readline()
        assert hub.requests("content") == []
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_parts_are_fetched_side_by_side(hub: HubServer, fresh_home: Path) -> None:
    """Killed amid three parts, none of them has a name; afterwards all have."""
    names = [f"big-Q8_0-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    hub.repos[REPO] = Repo({name: CONTENT[: 1_000_000 + n] for n, name in enumerate(names)})
    hub.rate = 1e6
    cache = RepoCache(fresh_home / "hub", REPO)
    partials = [cache.partial(etag_of(name, content)) for name, content in hub.repos[REPO].files.items()]
    process = _start(hub, fresh_home, REPO)
    for partial in partials:
        _wait_for_bytes(process, partial, 100_000)
    process.kill()
    process.communicate()
    assert _loadable(fresh_home / "hub") == []
    assert all(0 < partial.stat().st_size < 1_000_000 for partial in partials)
    hub.rate = 0
    done = pull(hub, fresh_home, "--json", REPO)  # they are no models, which is told at the end
    paths = [file["path"] for file in json.loads(done.stdout)["files"]]
    assert paths == [str(cache.snapshot(hub.repos[REPO].commit, name)) for name in names]
    assert len(hub.requests("content")) == 6
