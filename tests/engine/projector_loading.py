"""Opens projectors with libmtmd and encodes pictures."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.llama.loading import LoadedModel, load_model
from chatcli.engine.llama.native import load

_OPTIONS = LoadOptions(threads=1, use_extra_bufts=False)


def open_projector(loaded: LoadedModel, projector: Path) -> Any:
    """libmtmd's context; None where it refuses."""
    mtmd: Any = loaded.native.mtmd
    params = mtmd.mtmd_context_params_default()
    params.use_gpu, params.n_threads = False, 1
    return mtmd.mtmd_init_from_file(os.fsencode(projector), loaded.model, params)


@contextmanager
def opened(projector: Path | None, model: Path) -> Iterator[Any]:
    """libmtmd's context of a projector and its model; None where it refuses, or without a projector."""
    loaded = load_model(model, _OPTIONS)
    context = open_projector(loaded, projector) if projector is not None else None
    try:
        yield context
    finally:
        if context:
            loaded.native.mtmd.mtmd_free(context)  # type: ignore[union-attr]
        loaded.free()


def tokens(context: Any, width: int, height: int) -> int:
    """Tokens of a black picture, which is encoded; 0: it cannot be."""
    mtmd: Any = load().mtmd
    bitmap = mtmd.mtmd_bitmap_init(width, height, (ctypes.c_uint8 * (3 * width * height))())
    chunks = mtmd.mtmd_input_chunks_init()
    marker = mtmd.mtmd_default_marker()
    text = mtmd.mtmd_input_text(marker, len(marker), False, True)
    bitmaps = (mtmd.mtmd_bitmap_p_ctypes * 1)(bitmap)
    count = 0
    if not mtmd.mtmd_tokenize(context, chunks, ctypes.byref(text), bitmaps, 1):
        for i in range(mtmd.mtmd_input_chunks_size(chunks)):
            chunk = mtmd.mtmd_input_chunks_get(chunks, i)
            if mtmd.mtmd_input_chunk_get_type(chunk) == 1 and not mtmd.mtmd_encode_chunk(context, chunk):
                count += mtmd.mtmd_input_chunk_get_n_tokens(chunk)
    mtmd.mtmd_input_chunks_free(chunks)
    mtmd.mtmd_bitmap_free(bitmap)
    return count
