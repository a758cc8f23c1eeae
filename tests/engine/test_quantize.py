"""Making a smaller model of a model, with llama.cpp itself."""

import fcntl
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatcli.engine.gguf import check, read_header
from chatcli.engine.llama.quantize import quantize
from chatcli.errors import ChatcliError, ExitCode, ModelCrashed, StorageError, UsageError
from tests.engine.gguf_files import tiny_model
from tests.engine.tiny_models import write_llama
from tests.program import MODEL, run


def test_a_smaller_model_comes_out(tmp_path: Path) -> None:
    """The weights have the format asked for, it is told how far it is, nothing else is left."""
    source = write_llama(tmp_path / "source.gguf")
    told: list[int] = []
    header = quantize(source, tmp_path / "small.gguf", "q8_0", on_progress=told.append)
    assert header.path == tmp_path / "small.gguf"
    assert header.quantization == "Q8_0"
    assert {t.format_name for t in header.tensors if len(t.shape) > 1} == {"Q8_0"}
    assert header.file_size < source.stat().st_size
    sizes = [tensor.size for tensor in read_header(source).tensors]
    assert (told[0], told) == (0, sorted(told))
    assert sum(sizes) - told[-1] in sizes  # the last one is in work
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.gguf", "source.gguf"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("Q9_X", "no format"),
        ("IQ2_XXS", "importance matrix"),
        ("F16", "does not come back"),
        ("Q8_0", "already"),
        ("Q4_K_M", "--requantize"),
    ],
)
def test_nonsense_is_refused(kind: str, said: str, tmp_path: Path) -> None:
    """Formats that do not exist, larger ones than the source, and quantizing twice without wanting to."""
    with pytest.raises(UsageError, match=said):
        quantize(MODEL, tmp_path / "out.gguf", kind)
    assert not list(tmp_path.iterdir())


def test_quantizing_twice_if_one_must(tmp_path: Path) -> None:
    """With the wish spoken out it is done."""
    assert quantize(MODEL, tmp_path / "out.gguf", "Q4_0", requantize=True).quantization == "Q4_0"


def test_targets_are_not_overwritten(tmp_path: Path) -> None:
    """A file that is there stays, unless it shall go; the source is never the target."""
    source = write_llama(tmp_path / "source.gguf")
    target = tmp_path / "out.gguf"
    target.write_bytes(b"mine")
    with pytest.raises(UsageError, match="--force"):
        quantize(source, target, "Q8_0")
    assert target.read_bytes() == b"mine"
    assert quantize(source, target, "Q8_0", overwrite=True).quantization == "Q8_0"
    for wrong in (source, tmp_path, tmp_path / "nowhere" / "out.gguf"):
        with pytest.raises(UsageError):
            quantize(source, wrong, "Q8_0", overwrite=True)
    assert read_header(source).quantization == "F32"


def test_a_killed_run_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    """What it leaves goes by another name, is no model, and is taken over by the next run."""
    source, target = write_llama(tmp_path / "source.gguf"), tmp_path / "out.gguf"
    code = (
        "import os, sys, pathlib\n"
        "from chatcli.engine.llama.quantize import quantize\n"
        "quantize(*map(pathlib.Path, sys.argv[1:]), 'Q8_0', on_progress=lambda *_: os.kill(os.getpid(), 9))"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code, source, target], capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        left = sorted(p.name for p in tmp_path.iterdir())
        assert left == ["out.gguf.part", "source.gguf"]
        with pytest.raises(ChatcliError):
            check(read_header(tmp_path / "out.gguf.part"))
    assert quantize(source, target, "Q8_0").quantization == "Q8_0"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.gguf", "source.gguf"]


def test_a_target_has_one_writer(tmp_path: Path) -> None:
    """Two runs at once would leave what neither of them wrote."""
    source, target = write_llama(tmp_path / "source.gguf"), tmp_path / "out.gguf"
    with (tmp_path / "out.gguf.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="another chatcli is writing"):
            quantize(source, target, "Q8_0")
    assert quantize(source, target, "Q8_0").quantization == "Q8_0"


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """llama.cpp's own words for a full disk say nothing; ours do, and nothing stays."""
    source, target = write_llama(tmp_path / "source.gguf"), tmp_path / "out.gguf"
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "from chatcli.cli.main import main; main()"
    )
    command = [sys.executable, "-c", code]
    done = run(
        tmp_path / "home", "models", "quantize", str(source), str(target), "-t", "Q8_0", command=command
    )
    assert (done.code, done.stderr.count("\n")) == (ExitCode.STORAGE, 1), done.stderr
    assert "the disk is full" in done.stderr
    assert sorted(p.name for p in tmp_path.glob("*.gguf*")) == ["source.gguf"]


def test_a_damaged_source_leaves_nothing(tmp_path: Path) -> None:
    """llama.cpp dies of the first one, in a child; the other is refused before. Neither leaves a file."""
    bad = tiny_model().with_key("llama.block_count", 4, 0).write(tmp_path / "bad.gguf")
    with pytest.raises(ModelCrashed, match=r"bad\.gguf: llama\.cpp crashed while quantizing it"):
        quantize(bad, tmp_path / "out.gguf", "Q4_0", requantize=True)
    half = tmp_path / "half.gguf"
    half.write_bytes(MODEL.read_bytes()[: MODEL.stat().st_size // 2])
    with pytest.raises(ChatcliError):
        quantize(half, tmp_path / "out.gguf", "Q4_0", requantize=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.gguf", "half.gguf"]
