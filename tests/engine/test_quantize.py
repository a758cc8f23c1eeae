"""Making a smaller model of a model, with llama.cpp itself."""

from pathlib import Path

import pytest

from chatcli.engine.gguf import read_header
from chatcli.engine.quantize import quantize
from chatcli.errors import ChatcliError, InvalidModel, UsageError
from tests.engine.gguf_files import tiny_model
from tests.engine.tiny_models import write_llama
from tests.program import MODEL


def test_a_smaller_model_comes_out(tmp_path: Path) -> None:
    """The weights have the format asked for, the tensors are told as they are done, nothing else is left."""
    source = write_llama(tmp_path / "source.gguf")
    told: list[tuple[int, int, str]] = []
    header = quantize(source, tmp_path / "small.gguf", "q8_0", on_progress=lambda *what: told.append(what))
    assert header.path == tmp_path / "small.gguf"
    assert header.quantization == "Q8_0"
    assert {t.format_name for t in header.tensors if len(t.shape) > 1} == {"Q8_0"}
    assert header.file_size < source.stat().st_size
    assert told[-1][:2] == (len(header.tensors), len(header.tensors))
    assert [name for *_, name in told if name == "token_embd.weight"]
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


def test_a_damaged_source_leaves_nothing(tmp_path: Path) -> None:
    """It is refused before llama.cpp sees it, and a failure in llama.cpp leaves no file."""
    bad = tiny_model().with_key("llama.block_count", 4, 0).write(tmp_path / "bad.gguf")
    with pytest.raises(InvalidModel):
        quantize(bad, tmp_path / "out.gguf", "Q4_0", requantize=True)
    half = tmp_path / "half.gguf"
    half.write_bytes(MODEL.read_bytes()[: MODEL.stat().st_size // 2])
    with pytest.raises(ChatcliError):
        quantize(half, tmp_path / "out.gguf", "Q4_0", requantize=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.gguf", "half.gguf"]
