from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.engine.base import Cancellation
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.llama.loading import load_model
from chatcli.errors import ModelError, ModelNotFound, UsageError
from tests.engine import tiny_models
from tests.engine.conftest import OPTIONS


def test_what_a_loaded_model_says_of_itself(tiny_llama_path: Path) -> None:
    """Architecture and quantization are the header's; the context is what was asked for."""
    loaded = load_model(tiny_llama_path, replace(OPTIONS, context_size=300))
    try:
        assert (loaded.architecture, loaded.quantization) == ("llama", "F32")
        assert (loaded.context_size, loaded.batch_size) == (300, 16)
        assert loaded.metadata("tokenizer.chat_template") == tiny_models.CHATML
        assert loaded.metadata("no.such.key") == ""
    finally:
        loaded.free()


def test_the_default_context_is_the_trained_one_up_to_8192(tmp_path: Path) -> None:
    """A model trained for more gets 8192, which is what most machines can hold."""
    sizes = []
    for trained in (512, 100_000):
        path = tiny_models.write_llama(tmp_path / f"{trained}.gguf", context_length=trained)
        loaded = load_model(path, OPTIONS)
        sizes.append(loaded.context_size)
        loaded.free()
    assert sizes == [512, 8192]


def test_progress_is_reported_up_to_the_end(tiny_llama_path: Path) -> None:
    """The share that is done grows to 1."""
    shares: list[float] = []
    load_model(tiny_llama_path, OPTIONS, on_progress=shares.append).free()
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_loading_can_be_given_up(tiny_llama_path: Path) -> None:
    """The flag ends a load between two tensors."""
    cancel = Cancellation()
    shares: list[float] = []

    def stop(share: float) -> None:
        shares.append(share)
        cancel.set()

    with pytest.raises(ModelError, match="interrupted"):
        load_model(tiny_llama_path, OPTIONS, on_progress=stop, cancel=cancel)
    assert len(shares) == 1


def test_an_error_of_the_callers_passes_through(tiny_llama_path: Path) -> None:
    """What ``on_progress`` raises ends the load and comes out, though C lies between."""

    def fail(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_model(tiny_llama_path, OPTIONS, on_progress=fail)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message holds the path."""
    with pytest.raises(ModelNotFound, match=r"missing\.gguf"):
        load_model(tmp_path / "missing.gguf", OPTIONS)


def test_llamas_reason_is_reported(
    tiny_llama_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The exception says what llama.cpp said, in one line, and llama.cpp itself says nothing."""
    broken = {
        "text.gguf": b"not a model at all",
        "cut.gguf": tiny_llama_path.read_bytes()[:-1000],
        "empty.gguf": b"",
    }
    reasons = {}
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=name) as caught:
            load_model(tmp_path / name, OPTIONS)
        reasons[name] = str(caught.value)
    assert "invalid magic characters" in reasons["text.gguf"]
    assert "not within the file bounds" in reasons["cut.gguf"]
    assert "failed to read magic" in reasons["empty.gguf"]
    assert not any("\n" in reason for reason in reasons.values())
    assert capfd.readouterr() == ("", "")


def test_a_context_that_cannot_be_made_is_an_error(tiny_llama_path: Path) -> None:
    """The reason is llama.cpp's, the advice ours; the model is freed."""
    impossible = replace(OPTIONS, kv_type_v="q8_0", flash_attention=False)
    with pytest.raises(ModelError, match="flash_attn"):
        load_model(tiny_llama_path, impossible)


def test_an_embedding_model_is_refused(tmp_path: Path) -> None:
    """Sampling from one would end the process: it gives no logits."""
    with pytest.raises(ModelError, match="encoder"):
        load_model(tiny_models.write_bert(tmp_path / "bert.gguf"), OPTIONS)


@pytest.mark.parametrize(
    "wrong", [{"context_size": 0}, {"threads": -1}, {"batch_size": 2**31}, {"kv_type_k": "q9"}]
)
def test_options_without_sense_are_refused(wrong: dict[str, int | str]) -> None:
    """Before anything is loaded."""
    with pytest.raises(UsageError):
        LoadOptions(**wrong)  # type: ignore[arg-type]
