"""First loads in a child process: real models, real crashes, and what is remembered of them."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.engine.base import Cancellation
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.trial.probe import probe, try_model
from chatcli.engine.trial.process import ChildEnd, child_environment, interpreter
from chatcli.engine.trial.verdict import TrialOutcome, TrialVerdict
from chatcli.engine.trial.verdict_cache import VerdictCache, file_identity, machine_identity
from chatcli.errors import InvalidModel, ModelCrashed, ModelError, ModelNotFound
from tests.engine import seeing, tiny_models
from tests.engine.gguf_files import F32, STRING, U32, File, tiny_model
from tests.engine.projector_files import write_projector
from tests.engine.projector_mutations import file_of
from tests.engine.test_template_bounds import RUNAWAYS

MODEL = tiny_model()
PLAIN_OPTIONS = LoadOptions(use_extra_bufts=False)  # one trial is enough then, on any CPU
BROKEN = MODEL.without_tensor("blk.1.ffn_up.weight")
# llama.cpp asserts that an epsilon is not negative when it computes with it; NaN is not.
DEADLY = MODEL.with_key("llama.attention.layer_norm_rms_epsilon", F32, float("nan"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return MODEL.write(tmp_path / "tiny.gguf")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "probe.json"


def empty_weights() -> File:
    """The model with all its weights zero, as a download that reserved its space leaves it."""
    changed = MODEL
    for tensor in MODEL.tensors:
        changed = changed.with_tensor(tensor.name, data=bytes(len(tensor.data)))
    return changed


def test_the_verdict_is_one_this_machine_can_live_with(model: Path, cache: Path) -> None:
    """Whatever this CPU can or cannot do, a model is decoded with the options the verdict names.

    The fault is real on machines that advertise AMX and do not have it: there the first try dies.
    """
    as_asked = try_model(model, LoadOptions(use_extra_bufts=True))
    verdict = probe(model, cache)
    assert verdict.outcome is TrialOutcome.OK
    verdict.raise_for_failure()
    assert verdict.use_extra_bufts is (as_asked.outcome is TrialOutcome.OK)
    assert try_model(model, LoadOptions(use_extra_bufts=verdict.use_extra_bufts)).outcome is TrialOutcome.OK
    assert VerdictCache(cache).avoids_extra_bufts(machine_identity()) is as_asked.is_cpu_fault


def test_a_known_model_is_not_tried_again(model: Path, cache: Path, tmp_path: Path) -> None:
    """The verdict follows the file, wherever it is moved; a file that was changed is tried again."""
    trials: list[Path] = []

    def tried(path: Path, options: LoadOptions) -> TrialVerdict:
        return probe(path, cache, options, on_trial=lambda: trials.append(path))

    first, again = tried(model, PLAIN_OPTIONS), tried(model, PLAIN_OPTIONS)
    assert (first.remembered, again.remembered, len(trials)) == (False, True, 1)
    assert (again.outcome, again.use_extra_bufts) == (first.outcome, first.use_extra_bufts)
    moved = Path(shutil.move(model, tmp_path / "moved.gguf"))
    found = tried(moved, PLAIN_OPTIONS)
    assert (found.remembered, found.file) == (True, "moved.gguf")
    assert not tried(moved, replace(PLAIN_OPTIONS, kv_type_k="q8_0")).remembered, "another way of loading"
    os.utime(moved, ns=(1, 1))
    assert not tried(moved, PLAIN_OPTIONS).remembered
    assert len(trials) == 3


def test_a_machine_that_faults_is_spared_the_second_time(model: Path, cache: Path) -> None:
    """Once repacked weights are known to fault here, no new model is tried with them."""
    VerdictCache(cache).remember(
        "another model", TrialVerdict(TrialOutcome.OK, use_extra_bufts=False), machine_identity()
    )
    verdict = probe(model, cache)
    assert (verdict.outcome, verdict.use_extra_bufts, verdict.remembered) == (TrialOutcome.OK, False, False)


def test_a_crash_becomes_one_clear_line(tmp_path: Path) -> None:
    """A header that makes llama.cpp abort kills a child; the message has the signal and the assertion."""
    verdict = try_model(DEADLY.write(tmp_path / "deadly.gguf"), PLAIN_OPTIONS)
    assert (verdict.outcome, verdict.signal, verdict.ok) == (TrialOutcome.CRASHED, signal.SIGABRT, False)
    with pytest.raises(
        ModelCrashed, match=r"^deadly\.gguf: llama\.cpp crashed on a trial load \(SIGABRT: .*eps"
    ):
        verdict.raise_for_failure()
    assert not list(Path.cwd().glob("core*"))


@pytest.mark.parametrize(
    "folder", ["/tmp/pip-install-x1/llama-cpp-python_0/ggml/src/", "C:\\build\\ggml\\src\\", ""]
)
def test_a_crash_names_the_source_file_without_its_folder(folder: str) -> None:
    """Where llama.cpp was built means nothing to a user; the file and the line of the assertion do."""
    errors = f"loading\n{folder}ops.cpp:4132: GGML_ASSERT(eps >= 0.0f) failed\nat /usr/lib/x.so\n"
    assert ChildEnd(-6, b"", errors).last_words == "ops.cpp:4132: GGML_ASSERT(eps >= 0.0f) failed"


def test_the_header_check_comes_first(tmp_path: Path, cache: Path) -> None:
    """What the check refuses is not tried."""
    whole = MODEL.encode()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[:-5000])
    with pytest.raises(InvalidModel, match=r"cut\.gguf: .* incomplete"):
        probe(cut, cache)
    with pytest.raises(ModelNotFound):
        probe(tmp_path / "none.gguf", cache)
    assert not cache.exists()


@pytest.mark.parametrize(
    "name", ["list of lists", "nested loops", "center", "hoard", "percent", "batch", "join"]
)
def test_a_template_that_runs_away_is_found(tmp_path: Path, cache: Path, name: str) -> None:
    """Endless loops, endless computations, endless texts: in the child, and said in one line."""
    path = MODEL.with_key("tokenizer.chat_template", STRING, RUNAWAYS[name]).write(tmp_path / "m.gguf")
    verdict = probe(path, cache, PLAIN_OPTIONS)
    with pytest.raises(ModelError, match="template") as told:
        verdict.raise_for_failure()
    assert str(told.value).isprintable()


def test_a_template_that_only_fails_is_not_the_trials_business(tmp_path: Path, cache: Path) -> None:
    """Opening such a model says what is wrong with the template."""
    path = MODEL.with_key("tokenizer.chat_template", STRING, "{{ 1 / 0 }}{% if").write(tmp_path / "m.gguf")
    assert probe(path, cache, PLAIN_OPTIONS).ok


def test_a_clean_failure_has_llama_cpps_reason_and_is_not_remembered(tmp_path: Path, cache: Path) -> None:
    """A missing tensor passes the header check; the library names it. The next attempt is a fresh one."""
    path = BROKEN.write(tmp_path / "broken.gguf")
    for _ in range(2):
        verdict = probe(path, cache, PLAIN_OPTIONS)
        assert (verdict.outcome, verdict.remembered) == (TrialOutcome.ERROR, False)
        with pytest.raises(ModelError, match=r"broken\.gguf.*blk\.1\.ffn_up\.weight"):
            verdict.raise_for_failure()


def test_weights_of_zeros_are_nonsense(tmp_path: Path, cache: Path) -> None:
    """Such a file loads, decodes and chats garbage; that all tokens are equally likely gives it away."""
    verdict = probe(empty_weights().write(tmp_path / "zeros.gguf"), cache, PLAIN_OPTIONS)
    assert verdict.outcome is TrialOutcome.NONSENSE
    with pytest.raises(ModelError, match="equally likely"):
        verdict.raise_for_failure()


def test_a_killed_child_is_blamed_on_memory() -> None:
    """The system kills what takes too much; nothing is wrong with the file then, nor is it remembered."""
    verdict = TrialVerdict(TrialOutcome.CRASHED, signal=9, file="big.gguf")
    with pytest.raises(ModelCrashed, match="memory ran out"):
        verdict.raise_for_failure()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"not JSON",
        b'{"verdicts": 3}',
        b'{"version": 99}',
        b"\xff\xfe",
        b'{"verdicts": {"a": {}}}',
        b"[" * 9000,
    ],
)
def test_a_damaged_cache_is_replaced(model: Path, cache: Path, damage: bytes) -> None:
    """It is only a memory: without it the model is tried again, and the file is good afterwards."""
    cache.parent.mkdir()
    cache.write_bytes(damage)
    VerdictCache(cache).remember("model", TrialVerdict(TrialOutcome.OK))
    found = VerdictCache(cache).find("model")
    assert found is not None
    assert found.remembered


def test_the_cache_is_private_and_replaced_whole(cache: Path) -> None:
    """Mode 0600 in a folder of 0700, whatever the umask, and no temporary file is left."""
    before = os.umask(0)
    try:
        VerdictCache(cache).remember("model", TrialVerdict(TrialOutcome.OK))
    finally:
        os.umask(before)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.parent.stat().st_mode) == 0o700
    assert list(cache.parent.iterdir()) == [cache]


def test_a_crash_is_remembered_for_a_day_and_a_kill_never(cache: Path) -> None:
    """A crash may have come from what has changed since; a kill says nothing of the model."""
    memory = VerdictCache(cache)
    memory.remember("crashes", TrialVerdict(TrialOutcome.CRASHED, signal=6))
    memory.remember("killed", TrialVerdict(TrialOutcome.CRASHED, signal=9))
    memory.remember("fails", TrialVerdict(TrialOutcome.ERROR, reason="no"))
    assert memory.find("crashes") is not None
    assert memory.find("killed") is None
    assert memory.find("fails") is None
    cache.write_bytes(cache.read_bytes().replace(b'"time":1', b'"time":0.1'))
    assert memory.find("crashes") is None


def test_an_unwritable_cache_costs_only_the_memory(model: Path, tmp_path: Path) -> None:
    """The place of the folder is taken by a file: the verdict comes all the same."""
    (tmp_path / "cache").write_text("in the way")
    assert probe(model, tmp_path / "cache" / "probe.json", PLAIN_OPTIONS).outcome is TrialOutcome.OK


def test_both_ends_and_all_parts_tell_files_apart(tmp_path: Path) -> None:
    """A byte changed at the end is noticed even when size and time stay; so is another part."""
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(bytes(300_000))
        os.utime(path, ns=(5, 5))
    assert file_identity(paths[:1]) == file_identity(paths[1:])
    paths[1].write_bytes(bytes(299_999) + b"x")
    os.utime(paths[1], ns=(5, 5))
    assert file_identity(paths[:1]) != file_identity(paths[1:])
    assert file_identity(paths) != file_identity(paths[::-1])


def test_cancelling_ends_the_child(model: Path, cache: Path) -> None:
    """The flag may be set by any thread; the call ends, and so does the child."""
    cancel = Cancellation()
    threading.Timer(0.1, cancel.set).start()
    with pytest.raises(ModelError, match="interrupted"):
        probe(model, cache, cancel=cancel)
    assert children(os.getpid()) == set()


def children(parent: int) -> set[int]:
    """Living child processes."""
    listing = subprocess.run(
        ["ps", "-axww", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = (line.split(None, 3) for line in listing.stdout.splitlines())
    return {
        int(r[0])
        for r in rows
        if int(r[1]) == parent and "Z" not in r[2] and "chatcli.engine.trial.child" in r[3]
    }


def alive(pid: int) -> bool:
    """Whether a process still runs."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and "Z" not in state.stdout


def eventually(condition: object, what: str) -> None:
    """Wait, with a limit that only a broken program reaches."""
    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.fixture
def prober(model: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that tries the model over and over."""
    script = (
        "import sys, pathlib\n"
        "from chatcli.engine.trial.probe import try_model\n"
        "from chatcli.engine.llama.load_options import LoadOptions\n"
        "while True: try_model(pathlib.Path(sys.argv[1]), LoadOptions(use_extra_bufts=False))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(model)], env=child_environment(os.environ), stderr=subprocess.PIPE
    )
    yield process
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_child_outlives_us(prober: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Ctrl-C kills the child and passes through; killed ourselves, the child notices and ends."""
    eventually(lambda: children(prober.pid), "no child was started")
    child = next(iter(children(prober.pid)))
    prober.send_signal(number)
    _, errors = prober.communicate(timeout=60)
    eventually(lambda: not alive(child), "the child lives on")
    assert prober.returncode == -number
    assert (b"KeyboardInterrupt" in errors) is (number is signal.SIGINT)


def test_the_child_is_undisturbed_by_its_surroundings(model: Path, tmp_path: Path) -> None:
    """Modules in the working folder, and variables that change Python's ways, do not reach it."""
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "json.py").write_text("raise SystemExit('the wrong json')")
    script = (
        "import json, sys, pathlib\n"  # the right json, before the working folder counts
        "from chatcli.engine.trial.probe import try_model\n"
        "from chatcli.engine.llama.load_options import LoadOptions\n"
        "sys.path.insert(0, '')\n"
        "print(try_model(pathlib.Path(sys.argv[1]), LoadOptions(use_extra_bufts=False)).outcome)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(model)],
        cwd=trap,
        env={
            **child_environment(os.environ),
            "PYTHONSTARTUP": str(trap / "json.py"),
            "PYTHONWARNINGS": "error",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "ok"


@pytest.mark.parametrize("executable", ["''", "None", "'/usr/bin/false'", "'/no/such/python3'"])
def test_an_odd_executable_is_replaced(executable: str) -> None:
    """Embedded and wrapped Pythons do not always say who they are; one is found beside the library."""
    script = (
        f"import sys; sys.executable = {executable}\n"
        "from chatcli.engine.trial.process import interpreter; print(interpreter())"
    )
    command, environment = [sys.executable, "-c", script], child_environment(os.environ)
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    said = subprocess.run(
        [found.stdout.strip(), "-c", "print(7)"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "7\n"
    assert interpreter() == sys.executable


def test_names_that_are_hard_to_pass_on(tmp_path: Path, cache: Path) -> None:
    """Blanks, quotes, newlines and bytes that are no UTF-8 reach the child as they are."""
    for name in (b"a b'\"\n$(x).gguf", b"\xff\xfe.gguf"):
        path = MODEL.write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))
        assert probe(path, cache, PLAIN_OPTIONS).outcome is TrialOutcome.OK


def test_a_model_with_numbers_of_its_own_is_tried_with_them(tmp_path: Path, cache: Path) -> None:
    """The trial's small context is no larger than it has to be: models trained on less load too."""
    path = MODEL.with_key("llama.context_length", U32, 16).write(tmp_path / "short.gguf")
    assert probe(path, cache, PLAIN_OPTIONS).outcome is TrialOutcome.OK


def test_an_adapter_is_tried_with_its_model(tmp_path: Path, cache: Path) -> None:
    """One that fits is attached in the child; a damaged one is refused there, or kills the child."""
    model = tiny_models.write_llama(tmp_path / "model.gguf")
    adapter = tiny_models.write_adapter(tmp_path / "adapter.gguf")
    assert probe(model, cache, replace(PLAIN_OPTIONS, adapter=adapter)).ok
    whole = file_of(adapter)
    for number, damaged in enumerate(
        (whole.with_key("adapter.lora.alpha", STRING, "x"), whole.without_key("adapter.type"))
    ):
        bad = damaged.write(tmp_path / f"bad{number}.gguf")
        verdict = probe(model, cache, replace(PLAIN_OPTIONS, adapter=bad))
        assert verdict.outcome is (TrialOutcome.ERROR if number else TrialOutcome.CRASHED)


def test_a_projector_is_tried_with_its_model(tmp_path: Path, cache: Path) -> None:
    """It is loaded and shown a picture; one that kills the child is told apart from the model alone."""
    model, projector = seeing.files("plain")
    seen = replace(PLAIN_OPTIONS, projector=projector)
    assert probe(model, cache, PLAIN_OPTIONS).ok
    verdict = probe(model, cache, seen)
    assert (verdict.outcome, verdict.remembered) == (TrialOutcome.OK, False)
    assert probe(model, cache, seen) == replace(verdict, remembered=True)
    deadly = write_projector(tmp_path / "mmproj.gguf", width=64, heads=0)
    assert try_model(model, replace(PLAIN_OPTIONS, projector=deadly)).outcome is TrialOutcome.CRASHED
    wrong = write_projector(tmp_path / "mmproj-wrong.gguf", width=128)
    refused = probe(model, cache, replace(PLAIN_OPTIONS, projector=wrong))
    assert refused.outcome is TrialOutcome.ERROR
    assert "mmproj-wrong.gguf cannot be used: " in refused.reason
