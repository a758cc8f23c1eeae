"""Tries model files, or projectors, each in a process of its own, then uses what the trial lets pass.

Importing the binding costs more than loading a tiny model, so one process imports it and forks for every
file. It reads a path a line, hexadecimal, and writes a JSON line each: ``{"outcome": ..., "reason": ...}``.
The outcome is the trial's (``ok``, ``error``, ``nonsense``), or ``crashed`` or ``hung`` where the process
that tried died of it. A file that passes is then used as a chat does, in another process; ``used`` starts
the outcome where that ended badly.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatcli.engine.llama.load_options import LoadOptions

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
    text_model = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for line in sys.stdin:
        path = Path(os.fsdecode(bytes.fromhex(line.strip())))
        outcome = _in_child(partial(_try, path, text_model))
        if outcome["outcome"] == "ok":
            used = _in_child(partial(_use, path, text_model))
            outcome = outcome if used["outcome"] == "ok" else {**used, "outcome": f"used: {used['outcome']}"}
        print(json.dumps(outcome), flush=True)


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


def _files(path: Path, text_model: Path | None) -> tuple[Path, "LoadOptions"]:
    from chatcli.engine.llama.load_options import LoadOptions

    options = LoadOptions(threads=1, use_extra_bufts=False)
    return (path, options) if text_model is None else (text_model, replace(options, projector=path))


def _try(path: Path, text_model: Path | None) -> dict[str, str]:
    """What the trial child does."""
    from chatcli.engine.trial.child import finding

    return finding(*_files(path, text_model))


def _use(path: Path, text_model: Path | None) -> dict[str, str]:
    """A chat with the model, whose context is as large as a user gets it; with pictures of several shapes."""
    from chatcli.chat.message import Message, Picture, Role
    from chatcli.engine.llama.engine import LlamaEngine
    from chatcli.errors import ChatcliError
    from chatcli.sampling import SamplingParams
    from tests.engine.seeing import picture

    shapes = [(100, 80), (1000, 60), (60, 1000), (500, 500)]
    pictures = [(picture(i, shape, plain=True),) for i, shape in enumerate(shapes)]
    shown: Sequence[tuple[Picture, ...]] = pictures if text_model is not None else [()]
    try:
        with LlamaEngine.open(*_files(path, text_model)) as engine:
            for some in shown:
                told = Message(Role.USER, "What is to be said of it? " * 10, pictures=some)
                for _ in engine.generate([told], SamplingParams(max_tokens=8, seed=1)):
                    pass
    except ChatcliError as error:
        return {"outcome": "ok", "reason": str(error)}
    return {"outcome": "ok", "reason": ""}


if __name__ == "__main__":
    _serve()
