"""Small models with random weights, written once a test session."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatcli.engine.loading import Loaded, LoadOptions, load_model
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


@contextmanager
def loaded_model(path: Path, options: LoadOptions = OPTIONS) -> Iterator[Loaded]:
    """A loaded model with an empty context."""
    loaded = load_model(path, options)
    try:
        yield loaded
    finally:
        loaded.free()


@pytest.fixture
def llama(tiny_llama_path: Path) -> Iterator[Loaded]:
    """A loaded llama model."""
    with loaded_model(tiny_llama_path) as loaded:
        yield loaded


@pytest.fixture
def mamba(tiny_mamba_path: Path) -> Iterator[Loaded]:
    """A loaded mamba model."""
    with loaded_model(tiny_mamba_path) as loaded:
        yield loaded
