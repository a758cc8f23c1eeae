"""Makes a smaller model of a model, with llama.cpp's quantizer."""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from chatcli.engine.gguf import Header, check, read_header
from chatcli.engine.gguf.formats import FILE_TYPES
from chatcli.engine.llama.native import load
from chatcli.engine.trial.process import run_child, signal_name, take_task
from chatcli.errors import ModelCrashed, ModelError, StorageError, UsageError
from chatcli.files.replace import part_of
from chatcli.words import byte_size

#: Formats to quantize to, with the bits a weight then takes, roughly. Smaller ones need an importance matrix.
TYPES: Mapping[str, float] = {
    "F16": 16,
    "BF16": 16,
    "Q8_0": 8.5,
    "Q6_K": 6.6,
    "Q5_K_M": 5.7,
    "Q5_K_S": 5.5,
    "Q5_1": 6,
    "Q5_0": 5.5,
    "Q4_K_M": 4.9,
    "Q4_K_S": 4.6,
    "Q4_1": 5,
    "Q4_0": 4.6,
    "IQ4_NL": 4.5,
    "IQ4_XS": 4.3,
    "Q3_K_L": 4.3,
    "Q3_K_M": 3.9,
    "Q3_K_S": 3.5,
    "Q2_K": 3.2,
}
_WHOLE = {"F32", "F16", "BF16"}
_LINE = re.compile(r"\[\s*\d+/\s*\d+\]\s+(\S+)")
_WRITING = "basic_ios::clear"


def quantize(
    source: Path,
    target: Path,
    kind: str,
    *,
    requantize: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> Header:
    """Write a quantized copy of a model; the target appears when it is complete.

    Args:
        source: a GGUF file, the first one of a split model.
        target: the file to write; a split model becomes one file.
        kind: one of ``TYPES``, in upper or lower case.
        requantize: accept a source that is quantized already, and lose quality twice.
        overwrite: replace an existing target.
        on_progress: called in this thread with the bytes of the source that are done.

    Raises:
        UsageError: the request makes no sense; says why.
        ModelNotFound, InvalidModel: of the source.
        ModelError: llama.cpp fails, or dies of the source.
        StorageError: the disk has not enough room, or another process writes this target.
    """
    kind = kind.upper()
    shards = check(read_header(source))
    _refuse_nonsense(shards, target, kind, requantize=requantize, overwrite=overwrite)
    _require_room(shards, target, kind)
    try:
        with part_of(target) as part:
            _run(shards, part, kind, requantize, on_progress)
            read_header(part)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {(error.strerror or str(error)).lower()}") from None
    return read_header(target)


def _refuse_nonsense(
    shards: Sequence[Header], target: Path, kind: str, *, requantize: bool, overwrite: bool
) -> None:
    source = shards[0].path
    if kind not in TYPES:
        known = kind in FILE_TYPES.values()
        why = "needs an importance matrix, which chatcli does not make" if known else "is no format"
        raise UsageError(f"{kind} {why}; choose one of {', '.join(TYPES)}")
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name the file to write")
    if target.exists() and any(target.samefile(shard.path) for shard in shards):
        raise UsageError(f"{target} is the source itself; name another file")
    if target.exists() and not overwrite:
        raise UsageError(f"{target} is there already; --force replaces it")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}")
    present = shards[0].quantization
    if present == kind:
        raise UsageError(f"{source.name} is {kind} already")
    if present in _WHOLE:
        return
    if TYPES[kind] >= TYPES.get(present, 5):
        raise UsageError(f"{source.name} is {present}: what was lost does not come back by making it {kind}")
    if not requantize:
        raise UsageError(
            f"{source.name} is quantized already ({present}); begin with its F16 or BF16 file, or lose "
            "quality twice with --requantize"
        )


def _require_room(shards: Sequence[Header], target: Path, kind: str) -> None:
    needed = int(sum(shard.parameters for shard in shards) * TYPES[kind] / 8)
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise StorageError(
            f"{target.name} will have about {byte_size(needed)}, and {byte_size(free)} are free there; "
            "free some space or name another disk"
        )


def _run(
    shards: Sequence[Header],
    part: Path,
    kind: str,
    requantize: bool,
    on_progress: Callable[[int], None] | None,
) -> None:
    """Quantize in a child process: llama.cpp may crash on a damaged file."""
    source = shards[0].path
    sizes = {tensor.name: tensor.size for shard in shards for tensor in shard.tensors}

    def hear(answer: bytes) -> None:
        if on_progress is not None:
            begun = answer.decode("utf-8", "replace").split("\n")[:-1]
            on_progress(sum(sizes.get(name, 0) for name in begun[:-1]))  # the last one is in work

    task = {"source": os.fsencode(source).hex(), "target": os.fsencode(part).hex(), "kind": kind}
    line = json.dumps(task | {"requantize": requantize}).encode() + b"\n"
    end = run_child("chatcli.engine.llama.quantize", line, on_answer=hear)
    if end.code == 0:
        return
    if end.signal:
        why = f": {end.last_words}" if end.last_words else ""
        raise ModelCrashed(
            f"{source.name}: llama.cpp crashed while quantizing it ({signal_name(end.signal)}{why}); "
            "the file may be damaged: download it again or choose another"
        )
    if _WRITING in end.last_words:  # all that a C++ stream tells
        raise StorageError(
            f"{part} cannot be written: the disk is full, or a file may not be so large; free some space or "
            "name another disk"
        )
    raise ModelError(f"{source.name} cannot be quantized: {end.last_words or f'exit code {end.code}'}")


def main() -> None:
    """The child process: quantize, and write the name of each tensor that is begun."""
    line, answers = take_task()
    task = json.loads(line)
    native = load()
    params = native.lib.llama_model_quantize_default_params()
    params.ftype = next(number for number, name in FILE_TYPES.items() if name == task["kind"])
    params.allow_requantize = task["requantize"]

    def hear(text: str) -> None:
        found = _LINE.search(text)
        if found:
            os.write(answers, found[1].encode() + b"\n")

    native.log.clear()
    native.log.listener = hear
    code = native.lib.llama_model_quantize(
        bytes.fromhex(task["source"]), bytes.fromhex(task["target"]), params
    )
    if code:
        print(native.log.reason() or "llama.cpp gives no reason", file=sys.stderr, flush=True)
    os._exit(1 if code else 0)


if __name__ == "__main__":
    main()
