"""Small models with random weights, written once a test session."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.llama.loading import LoadedModel, load_model
from tests.engine import tiny_models

# A small batch makes even short prompts take several decodes; F32 weights never meet the repacking code.
OPTIONS = LoadOptions(batch_size=16, threads=1, use_extra_bufts=False)


@pytest.fixture(scope="session")
def tiny_llama_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama model file."""
    return tiny_models.write_llama(tmp_path_factory.mktemp("models") / "tiny-llama.gguf")


@pytest.fixture(scope="session")
def tiny_mamba_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mamba model file: its memory cannot be cut."""
    return tiny_models.write_mamba(tmp_path_factory.mktemp("models") / "tiny-mamba.gguf")


@pytest.fixture(scope="session")
def tiny_lfm2_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hybrid model file: one layer's memory can be cut, the other's cannot."""
    return tiny_models.write_lfm2(tmp_path_factory.mktemp("models") / "tiny-lfm2.gguf")


@pytest.fixture(params=["mamba", "lfm2"])
def recurrent_path(request: pytest.FixtureRequest, tiny_mamba_path: Path, tiny_lfm2_path: Path) -> Path:
    """Models whose memory cannot be cut."""
    return tiny_mamba_path if request.param == "mamba" else tiny_lfm2_path


@contextmanager
def loaded_model(path: Path, options: LoadOptions = OPTIONS) -> Iterator[LoadedModel]:
    """A loaded model with an empty context."""
    loaded = load_model(path, options)
    try:
        yield loaded
    finally:
        loaded.free()


@pytest.fixture
def llama(tiny_llama_path: Path) -> Iterator[LoadedModel]:
    """A loaded llama model."""
    with loaded_model(tiny_llama_path) as loaded:
        yield loaded


@pytest.fixture
def recurrent(recurrent_path: Path) -> Iterator[LoadedModel]:
    """A loaded model whose memory cannot be cut."""
    with loaded_model(recurrent_path) as loaded:
        yield loaded
