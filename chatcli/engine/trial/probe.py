"""Tries a model that is new to this machine in a child process first, and remembers what came of it.

The child is the defence against damaged and hostile files: llama.cpp may kill the process that loads one.
Some virtual machines advertise AMX and fault on it. Where the child dies with weight repacking and lives
without, the answer is ``use_extra_bufts=False``, for this file and from then on for every new one.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from chatcli.engine.base import Cancellation
from chatcli.engine.gguf import Header, check, read_header
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.trial.child import encode_task
from chatcli.engine.trial.process import ChildEnd, run_child
from chatcli.engine.trial.verdict import TrialOutcome, TrialVerdict
from chatcli.engine.trial.verdict_cache import VerdictCache, file_identity, machine_identity, verdict_key
from chatcli.words import duration

_PATIENCE = 120.0  # seconds a trial may take, and one more for each _SLOW_DISK bytes of the model
_SLOW_DISK = 20_000_000


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
    files = [shard.path for shard in shards]
    files += [file for file in (options.projector, options.adapter) if file is not None]
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
    patience = _PATIENCE + path.stat().st_size / _SLOW_DISK
    task = encode_task(path, options)
    try:
        end = run_child("chatcli.engine.trial.child", task, patience=patience, cancel=cancel)
    except OSError as error:
        reason = f"no child process could be started: {error.strerror or error}"
        return TrialVerdict(TrialOutcome.UNTRIED, use_extra_bufts=False, reason=reason, file=path.name)
    if end.code is None:
        verdict = TrialVerdict(
            TrialOutcome.ERROR, reason=f"a trial load did not end within {duration(patience)}"
        )
    else:
        verdict = _judge(end)
    seconds = round(time.monotonic() - started, 3)
    return replace(verdict, use_extra_bufts=options.use_extra_bufts, file=path.name, seconds=seconds)


def _judge(end: ChildEnd) -> TrialVerdict:
    try:
        said = msgspec.json.decode(end.answer, type=dict[str, str])
        return TrialVerdict(TrialOutcome(said["outcome"]), reason=said["reason"])
    except (msgspec.DecodeError, KeyError, ValueError):
        pass
    if end.signal:
        return TrialVerdict(TrialOutcome.CRASHED, reason=end.last_words, signal=end.signal)
    reason = f"the trial load failed: {end.last_words or f'exit code {end.code}'}"
    return TrialVerdict(TrialOutcome.ERROR, reason=reason)
