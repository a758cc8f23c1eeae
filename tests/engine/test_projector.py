"""Projectors: files that let a model see, read by us and by libmtmd."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chatcli.engine.loading import load_model
from chatcli.engine.native import load
from tests.engine.conftest import OPTIONS
from tests.engine.projector_files import write_projector
from tests.program import MODEL

WIDTH = 384  # of the bundled model


@contextmanager
def opened(projector: Path) -> Iterator[Any]:
    """libmtmd with a projector for the bundled model; None where it refuses."""
    native = load()
    assert native.mtmd is not None
    loaded = load_model(MODEL, OPTIONS)
    params = native.mtmd.mtmd_context_params_default()
    params.use_gpu, params.n_threads = False, 1
    context = native.mtmd.mtmd_init_from_file(str(projector).encode(), loaded.model, params)
    try:
        yield context
    finally:
        if context:
            native.mtmd.mtmd_free(context)
        loaded.free()


def tokens(context: Any, width: int, height: int) -> int:
    """Tokens of a grey picture, which is encoded."""
    mtmd: Any = load().mtmd
    bitmap = mtmd.mtmd_bitmap_init(width, height, (ctypes.c_uint8 * (3 * width * height))())
    chunks = mtmd.mtmd_input_chunks_init()
    marker = mtmd.mtmd_default_marker()
    text = mtmd.mtmd_input_text(marker, len(marker), False, True)
    assert not mtmd.mtmd_tokenize(
        context, chunks, ctypes.byref(text), (mtmd.mtmd_bitmap_p_ctypes * 1)(bitmap), 1
    )
    count = 0
    for i in range(mtmd.mtmd_input_chunks_size(chunks)):
        chunk = mtmd.mtmd_input_chunks_get(chunks, i)
        if mtmd.mtmd_input_chunk_get_type(chunk) == 1:
            assert not mtmd.mtmd_encode_chunk(context, chunk)
            count += mtmd.mtmd_input_chunk_get_n_tokens(chunk)
    mtmd.mtmd_input_chunks_free(chunks)
    mtmd.mtmd_bitmap_free(bitmap)
    return count


@pytest.mark.parametrize(("kind", "expected"), [("mlp", 16), ("qwen2vl", 12)])
def test_written_projectors_are_real(kind: str, expected: int, tmp_path: Path) -> None:
    """libmtmd loads what the tests write, and makes tokens of a picture."""
    projector = write_projector(tmp_path / "mmproj.gguf", width=WIDTH, kind=kind)
    with opened(projector) as context:
        assert context
        assert tokens(context, 100, 80) == expected


def test_libmtmd_says_why_where_its_log_is_kept(tmp_path: Path) -> None:
    """A projector of another model: the reason is among llama.cpp's own lines."""
    load().log.clear()
    with opened(write_projector(tmp_path / "mmproj.gguf", width=64)) as context:
        assert not context
    assert "mismatch between text model" in "\n".join(load().log.problems())
