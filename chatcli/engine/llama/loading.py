"""Loads a model file, creates a context on it, and attaches LoRA adapters to it."""

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcli.engine.base import Cancellation
from chatcli.engine.gguf.formats import FILE_TYPES
from chatcli.engine.llama.load_options import DEFAULT_CONTEXT_SIZE, KV_TYPES, LoadOptions, physical_cores
from chatcli.engine.llama.native import Native, load
from chatcli.engine.llama.vision import Vision
from chatcli.engine.trial.verdict_cache import file_identity
from chatcli.errors import ModelError, ModelNotFound

_FLASH_ATTENTION = {None: -1, False: 0, True: 1}  # enum llama_flash_attn_type


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model and one context on it, both alive until ``free``."""

    native: Native
    model: Any  # llama.cpp's pointer, as the next two
    context: Any
    vocab: Any
    context_size: int  # as asked for; llama.cpp rounds its own size up to 256
    batch_size: int  # the most tokens of one decode
    options: LoadOptions
    vision: Vision | None = None

    @property
    def architecture(self) -> str:
        """The architecture, such as ``llama``."""
        return self.metadata("general.architecture")

    @property
    def quantization(self) -> str:
        """The usual name of the format of most weights, such as ``Q4_K_M``; empty if it is unknown."""
        lib = self.native.lib
        return FILE_TYPES.get(lib.llama_model_ftype(self.model) & ~lib.LLAMA_FTYPE_GUESSED, "")

    def metadata(self, key: str) -> str:
        """A scalar of the GGUF header as text; empty if there is none."""
        room = 256
        while True:
            buffer = ctypes.create_string_buffer(room)
            length = self.native.lib.llama_model_meta_val_str(self.model, key.encode(), buffer, room)
            if length < room:
                return buffer.value.decode("utf-8", "replace") if length > 0 else ""
            room = length + 1

    def free(self) -> None:
        """Free context, projector and model. Call it once."""
        self.native.lib.llama_free(self.context)
        if self.vision is not None:
            self.vision.free()
        self.native.lib.llama_model_free(self.model)


class Adapters:
    """The adapters of one loaded model; at most one is attached.

    They are freed with their model and never before, because freeing an attached adapter makes the logits NaN
    without an error.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self.identity = ""  # of the attached adapter and its scale
        self._loaded = loaded
        self._known: dict[str, Any] = {}  # by file_identity, since the next training may replace the file
        self._attached: tuple[Any, float] | None = None

    def attach(self, path: Path, scale: float) -> None:
        """Use this adapter and no other; see ``TakesAdapter``. The caller clears the memory."""
        native, path = self._loaded.native, path.resolve()
        if not path.is_file():
            raise ModelNotFound(f"no adapter file at {path}")
        identity = file_identity([path])
        native.log.clear()
        adapter = self._known.get(identity)
        if adapter is None:
            adapter = native.lib.llama_adapter_lora_init(self._loaded.model, os.fsencode(path))
            if not adapter:  # a NULL pointer object, not None
                raise ModelError(f"{path.name} cannot be loaded as an adapter: {native.log.reason()}")
            self._known[identity] = adapter
        if not self._set(self._loaded.context, adapter, scale):
            raise ModelError(f"{path.name} does not fit this model: {native.log.reason()}")
        self._attached = adapter, scale
        self.identity = f"{identity} {scale!r}"

    def detach(self) -> None:
        """Use the model's own weights only. The caller clears the memory."""
        self._loaded.native.lib.llama_set_adapters_lora(self._loaded.context, None, 0, None)
        self._attached = None
        self.identity = ""

    def apply_to(self, context: Any) -> None:
        """Attach the adapter in use to another context of the same model."""
        if self._attached is not None:
            self._set(context, *self._attached)

    def _set(self, context: Any, adapter: Any, scale: float) -> bool:
        pointers, scales = (type(adapter) * 1)(adapter), (ctypes.c_float * 1)(scale)
        return not self._loaded.native.lib.llama_set_adapters_lora(context, pointers, 1, scales)


def load_model(
    path: Path,
    options: LoadOptions,
    *,
    on_progress: Callable[[float], None] | None = None,
    cancel: Cancellation | None = None,
) -> LoadedModel:
    """Load a model file and create a context; see ``LlamaEngine.open``, which checks the template too."""
    if not path.is_file():
        raise ModelNotFound(f"no model file at {path}")
    native = load()
    model = _load_weights(native, path, options, on_progress, cancel or Cancellation())
    vision = None
    try:
        _require_chat(native.lib, model, path)
        if options.projector is not None:
            vision = Vision(
                native,
                model,
                options.projector,
                threads=options.threads or physical_cores(),
                batch_size=_batch_size(native.lib, options),
                gpu=options.gpu_layers != 0 and options.projector_on_gpu,
                most_tokens=options.picture_tokens,
            )
        context, size, batch_size = _create_context(native, model, options, vision)
        if not native.lib.llama_get_memory(context):  # it keeps nothing from token to token
            native.lib.llama_free(context)
            raise _cannot_chat(path, "an encoder")
    except BaseException:
        if vision is not None:
            vision.free()
        native.lib.llama_model_free(model)
        raise
    vocab = native.lib.llama_model_get_vocab(model)
    return LoadedModel(native, model, context, vocab, size, batch_size, options, vision)


def _load_weights(
    native: Native,
    path: Path,
    options: LoadOptions,
    on_progress: Callable[[float], None] | None,
    cancel: Cancellation,
) -> Any:
    lib = native.lib
    raised: list[BaseException] = []

    def advance(fraction: float, _data: Any) -> bool:
        try:
            if on_progress is not None:
                on_progress(fraction)
        except BaseException as error:  # an exception cannot pass through C
            raised.append(error)
        return not (raised or cancel.is_set())

    params = lib.llama_model_default_params()
    params.n_gpu_layers = options.gpu_layers
    params.use_extra_bufts = options.use_extra_bufts
    params.progress_callback = callback = lib.llama_progress_callback(advance)
    native.log.clear()
    model = lib.llama_model_load_from_file(os.fsencode(path), params)
    del callback  # kept alive until here
    if raised or cancel.is_set():
        if model:
            lib.llama_model_free(model)
        raise raised[0] if raised else ModelError(f"loading {path.name} was interrupted")
    if not model:
        raise ModelError(f"{path.name} cannot be loaded: {_reason(native)}")
    return model


def _require_chat(lib: Any, model: Any, path: Path) -> None:
    """Refuse models that do not generate token by token with a decoder alone."""
    if lib.llama_model_has_encoder(model):
        raise _cannot_chat(path, "an encoder-decoder model")
    if lib.llama_model_is_diffusion(model):
        raise _cannot_chat(path, "a diffusion model")
    if not lib.llama_model_has_decoder(model):
        raise _cannot_chat(path, "an encoder")


def _cannot_chat(path: Path, kind: str) -> ModelError:
    return ModelError(f"{path.name} is {kind}, which cannot chat; choose a causal language model")


def _batch_size(lib: Any, options: LoadOptions) -> int:
    offloads = options.gpu_layers != 0 and lib.llama_supports_gpu_offload()
    return options.batch_size or (512 if offloads else 256)


def context_params(lib: Any, options: LoadOptions) -> Any:
    """``llama_context_params`` with everything that does not depend on the size of the context."""
    params = lib.llama_context_default_params()
    params.n_threads = params.n_threads_batch = options.threads or physical_cores()
    params.flash_attn_type = _FLASH_ATTENTION[options.flash_attention]
    params.type_k, params.type_v = KV_TYPES[options.kv_type_k], KV_TYPES[options.kv_type_v]
    params.swa_full = options.swa_full
    params.no_perf = True
    return params


def _create_context(
    native: Native, model: Any, options: LoadOptions, vision: Vision | None
) -> tuple[Any, int, int]:
    lib = native.lib
    trained = lib.llama_model_n_ctx_train(model)
    size = options.context_size or min(trained if trained > 0 else DEFAULT_CONTEXT_SIZE, DEFAULT_CONTEXT_SIZE)
    params = context_params(lib, options)
    params.n_ctx = size
    batch = vision.batch_size if vision else _batch_size(lib, options)
    params.n_batch = params.n_ubatch = min(batch, size)
    params.n_outputs_max = 1  # of a prompt only the last token's: a row of 128k logits for each takes 130 MB
    native.log.clear()
    context = lib.llama_init_from_model(model, params)
    if not context:
        raise ModelError(f"no context of {size} tokens: {_reason(native)}; try a smaller --ctx-size")
    return context, min(size, lib.llama_n_ctx(context)), lib.llama_n_batch(context)


def _reason(native: Native) -> str:
    said = native.log.reason()
    return said if said and "n_ctx_train" not in said else "llama.cpp gives no reason"
