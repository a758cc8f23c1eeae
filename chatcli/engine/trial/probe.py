"""Tries a model that is new to this machine in a child process first, and remembers what came of it.

The child is the defence against damaged and hostile files: llama.cpp may kill the process that loads one.
Some virtual machines advertise AMX and fault on it. Where the child dies with weight repacking and lives
without, the answer is ``use_extra_bufts=False``, for this file and from then on for every new one.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

import chatcli
from chatcli.engine.base import Cancellation
from chatcli.engine.gguf import Header, check, read_header
from chatcli.engine.load_options import LoadOptions
from chatcli.engine.trial.child import encode_task
from chatcli.engine.trial.verdict import TrialOutcome, TrialVerdict
from chatcli.engine.trial.verdict_cache import VerdictCache, file_identity, machine_identity, verdict_key
from chatcli.errors import ModelError
from chatcli.words import duration

_PATIENCE = 120.0  # seconds a trial may take, and one more for each _SLOW_DISK bytes of the model
_SLOW_DISK = 20_000_000
_POLL = 0.05  # seconds
_KEPT_VARIABLES = {"PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}


def probe(
    path: str | os.PathLike[str],
    cache_file: Path,
    options: LoadOptions | None = None,
    *,
    on_trial: Callable[[], None] | None = None,
    cancel: Cancellation | None = None,
    shards: Sequence[Header] = (),
) -> TrialVerdict:
    """Say whether a model can be loaded here and how; a model that is known is not tried again.

    A trial costs about half a second and one reading of the file, which the system then has in its cache for
    the real load. It may take 120 seconds, and 50 more for each GB of the model. The child is dead when this
    returns or raises, also when Ctrl-C interrupts it.

    Args:
        path: a GGUF file, the first one of a split model.
        cache_file: JSON file of verdicts; it is made, and a damaged one is replaced.
        options: as for the real load, its projector included; context size and threads do not matter.
        on_trial: called when a trial begins.
        cancel: set it, from any thread, to give up.
        shards: the headers of all its files, if they were read and checked just now.

    Raises:
        ModelNotFound: no such file.
        InvalidModel: its header tells that it is another kind of file, or incomplete.
        ModelError: it cannot be read, or ``cancel`` was set.
    """
    path, options = Path(path), options or LoadOptions()
    shards = shards or check(read_header(path))
    files = [*(shard.path for shard in shards), *([options.projector] if options.projector else [])]
    cache, machine = VerdictCache(cache_file), machine_identity()
    key = verdict_key(machine, file_identity(files), options)
    found = cache.find(key)
    if found is not None:
        return replace(found, file=path.name)
    if on_trial is not None:
        on_trial()
    verdict, faulted = _try_both_ways(path, options, cache.avoids_extra_bufts(machine), cancel)
    cache.remember(key, verdict, machine if faulted else None)
    return verdict


def _try_both_ways(
    path: Path, options: LoadOptions, avoid: bool, cancel: Cancellation | None
) -> tuple[TrialVerdict, bool]:
    """Try with weight repacking unless it is known to be bad here, and without it where that fails.

    Returns:
        the verdict, and whether this CPU turned out to fault on repacked weights.
    """
    wanted = options.use_extra_bufts and not avoid
    verdict = try_model(path, replace(options, use_extra_bufts=wanted), cancel=cancel)
    if not wanted or verdict.outcome not in (TrialOutcome.CRASHED, TrialOutcome.NONSENSE):
        return verdict, False
    second = try_model(path, replace(options, use_extra_bufts=False), cancel=cancel)
    if second.outcome is TrialOutcome.CRASHED:
        return verdict, False
    return second, second.outcome is TrialOutcome.OK and verdict.is_cpu_fault


def try_model(path: Path, options: LoadOptions, *, cancel: Cancellation | None = None) -> TrialVerdict:
    """Try a model once in a child process, with exactly these options; no header check, no memory of it.

    Raises:
        ModelError: ``cancel`` was set.
    """
    started = time.monotonic()
    python = interpreter()
    if python is None:
        reason = "no Python was found that could try the model first"
        return TrialVerdict(TrialOutcome.UNTRIED, use_extra_bufts=False, reason=reason, file=path.name)
    try:
        end = _run_child(python, path, options, cancel)
    except OSError as error:
        reason = f"{python} could not be started: {error.strerror or error}"
        return TrialVerdict(TrialOutcome.UNTRIED, use_extra_bufts=False, reason=reason, file=path.name)
    verdict = _judge(end, options.use_extra_bufts)
    return replace(verdict, file=path.name, seconds=round(time.monotonic() - started, 3))


@dataclass(frozen=True, slots=True)
class _ChildEnd:
    """How the child ended. ``code`` is None after a kill for taking longer than ``patience`` seconds."""

    code: int | None
    answer: bytes
    errors: str
    patience: float


def _run_child(python: str, path: Path, options: LoadOptions, cancel: Cancellation | None) -> _ChildEnd:
    patience = _PATIENCE + path.stat().st_size / _SLOW_DISK
    deadline = time.monotonic() + patience
    # A session of its own: Ctrl-C in the terminal is for us, and must not look like a crash of the child.
    windows = sys.platform == "win32"
    with (
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [python, "-P", "-m", "chatcli.engine.trial.child"],
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
            code = _wait(child, encode_task(path, options), deadline, cancel)
        finally:
            child.kill()
            child.wait()
        answer.seek(0)
        errors.seek(0)
        return _ChildEnd(code, answer.read(65536), errors.read(65536).decode("utf-8", "replace"), patience)


def _wait(
    child: subprocess.Popen[bytes], task: bytes, deadline: float, cancel: Cancellation | None
) -> int | None:
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died at once; its exit code says how
        child.stdin.write(task)  # and stays open: the child ends itself when we are gone
    while time.monotonic() < deadline:
        if cancel is not None and cancel.is_set():
            raise ModelError("the trial of the model was interrupted")
        try:
            return child.wait(_POLL)
        except subprocess.TimeoutExpired:
            continue
    return None


def _judge(end: _ChildEnd, extra_bufts: bool) -> TrialVerdict:
    if end.code is None:
        reason = f"a trial load did not end within {duration(end.patience)}"
        return TrialVerdict(TrialOutcome.ERROR, extra_bufts, reason)
    try:
        said = msgspec.json.decode(end.answer, type=dict[str, str])
        return TrialVerdict(TrialOutcome(said["outcome"]), extra_bufts, said["reason"])
    except (msgspec.DecodeError, KeyError, ValueError):
        last = _telling_line(end.errors)
    if end.code < 0 or end.code >= 0x80000000:  # a signal; an exception code of Windows
        return TrialVerdict(TrialOutcome.CRASHED, extra_bufts, last, signal=abs(end.code))
    reason = f"the trial load failed: {last or f'exit code {end.code}'}"
    return TrialVerdict(TrialOutcome.ERROR, extra_bufts, reason)


def _telling_line(errors: str) -> str:
    """The line of a dead process's last words that says why: an assertion, else the last one."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    telling = [line for line in lines if "GGML_ASSERT" in line or "error" in line.lower()] or lines
    return telling[-1][-300:] if telling else ""


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
