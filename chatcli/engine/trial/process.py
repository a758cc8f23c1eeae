"""Work that may die: a module of this package runs in a child process, and the parent learns how it ended.

The task comes as one line on the child's standard input. That stays open until the parent ends; then the
child ends too. The child's answer goes to its standard output; what llama.cpp or a driver prints goes to
standard error.
"""

import contextlib
import ctypes
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import chatcli
from chatcli.engine.base import Cancellation
from chatcli.errors import ModelError

_POLL = 0.05  # seconds
_ORPHANED = 75
_MAX_ANSWER = 1 << 20  # bytes
_SOURCE_FOLDER = re.compile(r"\S*[/\\](?=[\w.+-]+\.(?:c|cc|cpp|cu|cuh|h|hpp|m):\d+:)")
_KEPT_VARIABLES = {"PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """How a child ended.

    Attributes:
        code: its exit code. None if it was killed because its time was up.
        answer: what it wrote to standard output.
        errors: what it wrote to standard error.
    """

    code: int | None
    answer: bytes
    errors: str

    @property
    def signal(self) -> int:
        """Number of the signal (on Windows the exception code) that killed it; 0: none did."""
        code = self.code or 0
        return abs(code) if code < 0 or code >= 0x80000000 else 0

    @property
    def last_words(self) -> str:
        """The line of its standard error that says why it died: an assertion, else the last line.

        Of the source file in an assertion only its name is kept, not the folder llama.cpp was built in.
        """
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        telling = [line for line in lines if "GGML_ASSERT" in line or "error" in line.lower()] or lines
        return _SOURCE_FOLDER.sub("", telling[-1])[-300:] if telling else ""


def signal_name(number: int) -> str:
    """``SIGILL``, or the code in hexadecimal; '' for 0."""
    if not number:
        return ""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"{number:#x}"


def run_child(
    module: str,
    task: bytes,
    *,
    patience: float = math.inf,
    cancel: Cancellation | None = None,
    on_answer: Callable[[bytes], None] | None = None,
) -> ChildEnd:
    """Run a module as a child process and wait for its end. The child is dead when this returns or raises.

    Args:
        module: its name; it calls ``take_task``.
        task: one line.
        patience: seconds until it is killed.
        cancel: set it, from any thread, to give up.
        on_answer: called now and then with the answer so far.

    Raises:
        OSError: no Python was found, or it could not be started.
        ModelError: ``cancel`` was set.
    """
    python = interpreter()
    if python is None:
        raise FileNotFoundError("no Python was found that could run a child process")
    # A session of its own: Ctrl-C in the terminal is for us, and must not look like a crash of the child.
    windows = sys.platform == "win32"
    with (
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [python, "-P", "-m", module],
            bufsize=0,  # what a dead child did not take must not be flushed at it again
            stdin=subprocess.PIPE,
            stdout=answer,
            stderr=errors,
            env=child_environment(os.environ),
            start_new_session=not windows,
            creationflags=0x08000200 if windows else 0,  # CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP
        ) as child,
    ):
        try:
            code = _wait(child, task, time.monotonic() + patience, cancel, answer, on_answer)
        finally:
            child.kill()
            child.wait()
        said = _content(answer)
        if on_answer is not None:
            on_answer(said)
        errors.seek(0)
        return ChildEnd(code, said, errors.read(_MAX_ANSWER).decode("utf-8", "replace"))


def _wait(
    child: subprocess.Popen[bytes],
    task: bytes,
    deadline: float,
    cancel: Cancellation | None,
    answer: BinaryIO,
    on_answer: Callable[[bytes], None] | None,
) -> int | None:
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died at once; its exit code says how
        child.stdin.write(task)  # and stays open: the child ends itself when we are gone
    while time.monotonic() < deadline:
        if cancel is not None and cancel.is_set():
            raise ModelError("the trial of the model was interrupted")
        if on_answer is not None:
            on_answer(_content(answer))
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(_POLL)
    return None


def _content(answer: BinaryIO) -> bytes:
    """What is in the file so far. The child shares its position, which must not be moved."""
    if sys.platform == "win32":
        answer.seek(0)
        return answer.read(_MAX_ANSWER)
    return os.pread(answer.fileno(), _MAX_ANSWER, 0)


def interpreter() -> str | None:
    """A Python that can run this package; None in a frozen program, which is its own executable."""
    if getattr(sys, "frozen", False):
        return None
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [sys.executable] if "py" in Path(sys.executable or "").name.lower() else []
    for prefix in (sys.prefix, sys.base_prefix):
        candidates += [str(Path(prefix, "bin", version)), str(Path(prefix, "python.exe"))]
    candidates += [shutil.which(version) or "", sys.executable or ""]
    return next((c for c in candidates if c and os.access(c, os.X_OK) and Path(c).is_file()), None)


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Our environment without what changes Python's ways; our import path without the working folder.

    What llama.cpp, drivers and the loader read stays: the trial must see what the real load sees.
    """
    kept = {k: v for k, v in environ.items() if not k.startswith("PYTHON") or k in _KEPT_VARIABLES}
    try:
        working = str(Path.cwd())
    except OSError:  # it is gone
        working = ""
    places = [place for place in sys.path if Path(place).is_absolute() and place != working]
    home = str(Path(chatcli.__file__).absolute().parent.parent)
    places += [] if home in places else [home]
    return {**kept, "PYTHONPATH": os.pathsep.join(places), "GGML_NO_BACKTRACE": "1"}


def take_task() -> tuple[bytes, int]:
    """In the child: its task, and the file descriptor for its answer. Whatever else is printed is an error.

    The process ends itself when its parent is gone, leaves no core file, and is the first to be killed where
    memory runs out.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would be of the model's size
    if sys.platform == "win32":
        ctypes.windll.kernel32.SetErrorMode(0x0001 | 0x0002)  # no crash window
    task = sys.stdin.buffer.readline()
    threading.Thread(target=_die_with_parent, args=(sys.stdin.buffer,), daemon=True).start()
    answers = os.dup(1)
    os.dup2(2, 1)
    return task, answers


def _die_with_parent(stdin: BinaryIO) -> None:
    stdin.read()
    os._exit(_ORPHANED)
