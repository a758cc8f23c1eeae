"""Loads model files, each in a process of its own, and says how that process ended.

Importing the binding costs more than loading a tiny model, so one process imports it and forks for every
file. It reads a path a line, hexadecimal, and writes a JSON line each: ``{"outcome": ..., "reason": ...}`` as
``trial.finding`` says, or the outcome is ``crashed``, with the signal as the reason, ``hung`` or ``raised``.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

_PATIENCE = 60.0  # seconds a load may take; they take a hundredth of one


def outcomes(paths: Iterable[Path]) -> Iterator[dict[str, str]]:
    """How loading and decoding each file ends, in order."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "GGML_NO_BACKTRACE": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.engine.load_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for path in paths:
            server.stdin.write(os.fsencode(path).hex().encode() + b"\n")
            server.stdin.flush()
            yield json.loads(server.stdout.readline())
        server.stdin.close()


def _serve() -> None:
    import chatcli.engine.trial  # noqa: F401 - here once, not in every child
    from chatcli.engine.native import load

    load()
    for line in sys.stdin:
        path = Path(os.fsdecode(bytes.fromhex(line.strip())))
        print(json.dumps(_in_child(path)), flush=True)


def _in_child(path: Path) -> dict[str, str]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _attempt(path, writer)
        finally:
            os._exit(1)  # an exception must not go on in a copy of the server
    os.close(writer)
    deadline = time.monotonic() + _PATIENCE
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reader)
            return {"outcome": "hung", "reason": ""}
        time.sleep(0.002)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read()
    if os.WIFSIGNALED(status):
        return {"outcome": "crashed", "reason": signal.Signals(os.WTERMSIG(status)).name}
    return dict(json.loads(said)) if said else {"outcome": "raised", "reason": "see its standard error"}


def _attempt(path: Path, writer: int) -> None:
    from chatcli.engine.loading import LoadOptions
    from chatcli.engine.trial import finding

    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    result = finding(path, LoadOptions(threads=1, use_extra_bufts=False))
    os.write(writer, json.dumps(result).encode())
    os._exit(0)


if __name__ == "__main__":
    _serve()
