"""The memory that seeing takes, told from a projector's header, against what libmtmd takes."""

import sys
from pathlib import Path

import pytest

from benchmarks.projectors import SHAPES, measure, write
from chatcli.engine.gguf import read_header
from chatcli.engine.memory.estimate import projector_memory
from tests.engine.gguf_files import U32
from tests.engine.projector_files import write_projector
from tests.engine.projector_mutations import file_of


@pytest.mark.skipif(sys.platform != "linux", reason="measured by /proc")
@pytest.mark.parametrize("name", ["LLaVA 1.5", "Ministral 3"])
def test_near_what_a_process_grows_by(name: str, tmp_path: Path) -> None:
    """Weights and the largest picture, in a process of its own."""
    path = write(tmp_path / "mmproj.gguf", name)
    guess, true = projector_memory(read_header(path)), measure(path, SHAPES[name][-1])
    assert guess.total == pytest.approx(true, rel=0.15)


def test_a_mask_for_windows_counts(tmp_path: Path) -> None:
    """Windows of the attention (Qwen2.5-VL) take more than everything else."""
    path = write_projector(tmp_path / "a.gguf", width=64, kind="qwen2vl")
    plain = projector_memory(read_header(path)).total
    windowed = file_of(path).with_key("clip.vision.n_wa_pattern", U32, 8).write(tmp_path / "b.gguf")
    assert projector_memory(read_header(windowed)).total > 10 * plain


@pytest.mark.parametrize("value", [0, 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("key", ["image_size", "patch_size", "embedding_length", "spatial_merge_size"])
def test_absurd_headers_are_no_error(key: str, value: int, tmp_path: Path) -> None:
    """A header may say anything: the estimate is then absurd, and made in an instant."""
    whole = file_of(write_projector(tmp_path / "a.gguf", width=64, kind="qwen2vl"))
    path = whole.with_key(f"clip.vision.{key}", U32, value).write(tmp_path / "b.gguf")
    assert projector_memory(read_header(path)).total >= 0
