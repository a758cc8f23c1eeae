"""Loads model files, or projectors, each in a process of its own, and says how that process ended.

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
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

_PATIENCE = 60.0  # seconds a load may take; they take a hundredth of one
_MEMORY = 16 << 30  # bytes a process may map; no header must cost that much


def outcomes(paths: Iterable[Path], text_model: Path | None = None) -> Iterator[dict[str, str]]:
    """How loading and decoding each file ends, in order.

    Args:
        text_model: the files are projectors for this model, each of which encodes a picture.
    """
    command = [sys.executable, "-m", "tests.engine.load_server", *([str(text_model)] if text_model else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "GGML_NO_BACKTRACE": "1"}
    with subprocess.Popen(
        command,
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
    import chatcli.engine.trial.child  # noqa: F401 - here once, not in every child
    from chatcli.engine.llama.native import load

    load()
    attempt = _see_with(Path(sys.argv[1])) if len(sys.argv) > 1 else _read
    for line in sys.stdin:
        path = Path(os.fsdecode(bytes.fromhex(line.strip())))
        print(json.dumps(_in_child(partial(attempt, path))), flush=True)


def _in_child(attempt: Callable[[], dict[str, str]]) -> dict[str, str]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _attempt(attempt, writer)
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


def _attempt(attempt: Callable[[], dict[str, str]], writer: int) -> None:
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    os.write(writer, json.dumps(attempt()).encode())
    os._exit(0)


def _read(path: Path) -> dict[str, str]:
    """Load a model and read a prompt."""
    from chatcli.engine.llama.load_options import LoadOptions
    from chatcli.engine.trial.child import finding

    return finding(path, LoadOptions(threads=1, use_extra_bufts=False))


def _see_with(text_model: Path) -> Callable[[Path], dict[str, str]]:
    """Open a projector for a model, which is loaded once, and encode a picture."""
    from chatcli.engine.llama.load_options import LoadOptions
    from chatcli.engine.llama.loading import load_model
    from tests.engine.projector_loading import open_projector, tokens

    loaded = load_model(text_model, LoadOptions(threads=1, use_extra_bufts=False))

    def see(path: Path) -> dict[str, str]:
        context = open_projector(loaded, path)
        return {"outcome": "ok" if context and tokens(context, 100, 80) else "error", "reason": ""}

    return see


if __name__ == "__main__":
    _serve()
