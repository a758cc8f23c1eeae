"""Models that see, and pictures for them: text models and projectors with random weights.

``Reference`` is what libmtmd makes of the same prompt with its own tokenizer and its own evaluation.
"""

import ctypes
import functools
import hashlib
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from chatcli.chat.message import Picture
from chatcli.engine.llama import native
from tests.engine import tiny_models
from tests.engine.projector_files import write_projector

#: Text model and projector that go together, by what is special about the pair.
PAIRS: dict[str, tuple[Callable[[Path], Path], str, dict[str, Any]]] = {
    "plain": (tiny_models.write_llama, "mlp", {"image_size": 112}),  # 64 tokens, in several batches
    "tiles": (tiny_models.write_tiled_llama, "idefics3", {}),
    "m-rope": (tiny_models.write_qwen2vl, "qwen2vl", {}),
    # 36 tokens that see each other, in a test's batches of 16, on a model with a sliding window of 32
    "non-causal": (tiny_models.write_gemma, "gemma3", {"image_size": 336}),
    "hybrid": (tiny_models.write_lfm2, "lfm2", {"image_size": 64, "patch_size": 16}),
}


@functools.cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="chatcli-seeing-"))


@functools.cache
def files(pair: str) -> tuple[Path, Path]:
    """The text model and the projector of a pair, written once."""
    write, kind, sizes = PAIRS[pair]
    model = write(_folder() / f"{pair}.gguf")
    return model, write_projector(
        _folder() / f"mmproj-{pair}.gguf", width=tiny_models.WIDTH, kind=kind, **sizes
    )


def picture(
    seed: int = 0, size: tuple[int, int] = (70, 50), name: str = "", *, plain: bool = False
) -> Picture:
    """A picture of its own for each seed, or a ``plain`` one, which is made sooner."""
    image = Image.new("L", size) if plain else Image.effect_noise(size, 80).convert("RGB")
    if not plain:
        image.paste((seed * 37 % 256, seed * 91 % 256, seed * 53 % 256), (0, 0, size[0] // 2, size[1]))
    out = io.BytesIO()
    image.save(out, "PNG")
    data = out.getvalue()
    return Picture(hashlib.sha256(data).hexdigest(), name or f"{seed}.png", lambda: data)


def bytes_of(shown: Picture) -> bytes:
    """The file of one of them."""
    assert shown.read is not None
    return shown.read()


class Reference:
    """libmtmd's own way from a text with markers and pictures to logits.

    Args:
        path, projector: the files.
        batch: most tokens of one decode; at least the cells of a chunk that are read at once.
        threads: compute threads.
    """

    def __init__(self, path: Path, projector: Path, batch: int, threads: int = 1) -> None:
        self._native = native.load()
        lib, mtmd = self._native.lib, self._native.mtmd
        assert mtmd is not None
        self._lib: Any = lib
        self._mtmd: Any = mtmd
        params = lib.llama_model_default_params()
        params.use_extra_bufts = False
        self._model = lib.llama_model_load_from_file(str(path).encode(), params)
        context = lib.llama_context_default_params()
        context.n_ctx, context.n_threads, context.n_threads_batch = 2048, threads, threads
        context.n_batch = context.n_ubatch = self._batch = batch
        context.swa_full = True
        self._context = lib.llama_init_from_model(self._model, context)
        see = mtmd.mtmd_context_params_default()
        see.use_gpu = see.warmup = see.print_timings = False
        see.n_threads = threads
        self._see = mtmd.mtmd_init_from_file(str(projector).encode(), self._model, see)
        assert self._see, self._native.log.reason()

    def logits(self, text: str, pictures: Sequence[Picture]) -> list[float]:
        """What is predicted after a text in which ``<__media__>`` stands for each picture."""
        lib, mtmd = self._lib, self._mtmd
        lib.llama_memory_clear(lib.llama_get_memory(self._context), True)
        data = text.encode()
        given = mtmd.mtmd_input_text(data, len(data), False, True)
        bitmaps = (ctypes.c_void_p * len(pictures))(*(self._bitmap(p) for p in pictures))
        chunks = mtmd.mtmd_input_chunks_init()
        assert mtmd.mtmd_tokenize(self._see, chunks, ctypes.byref(given), bitmaps, len(pictures)) == 0
        past = ctypes.c_int32(0)
        code = mtmd.mtmd_helper_eval_chunks(
            self._see, self._context, chunks, 0, 0, self._batch, True, ctypes.byref(past)
        )
        assert code == 0
        mtmd.mtmd_input_chunks_free(chunks)
        return logits_of(lib, self._model, self._context)

    def _bitmap(self, shown: Picture) -> Any:
        image = Image.open(io.BytesIO(bytes_of(shown)))
        rgb = image.tobytes()
        pixels = ctypes.cast(ctypes.c_char_p(rgb), ctypes.POINTER(ctypes.c_uint8))
        return self._mtmd.mtmd_bitmap_init(image.width, image.height, pixels)


def logits_of(lib: Any, model: Any, context: Any) -> list[float]:
    """What a context predicts after what it read last."""
    count = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    found: list[float] = lib.llama_get_logits_ith(context, -1)[:count]
    return found
