"""LoRA adapters of a loaded model."""

import ctypes
import os
from pathlib import Path
from typing import Any

from chatcli.engine.llama.loading import LoadedModel
from chatcli.engine.trial.verdict_cache import file_identity
from chatcli.errors import ModelError, ModelNotFound
from chatcli.files.disk import FileStamp, stamp_of


class Adapters:
    """The adapters of one loaded model; at most one is attached.

    They are freed with their model and never before, because freeing an attached adapter makes the logits NaN
    without an error.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self.identity = ""  # of the attached adapter and its scale
        self._loaded = loaded
        # By time and size too, since the next training may replace the file.
        self._known: dict[tuple[Path, FileStamp | None], Any] = {}
        self._attached: tuple[Any, float] | None = None

    def attach(self, path: Path, scale: float) -> None:
        """Use this adapter and no other; see ``TakesAdapter``. The caller clears the memory."""
        native, path = self._loaded.native, path.resolve()
        if not path.is_file():
            raise ModelNotFound(f"no adapter file at {path}")
        key = (path, stamp_of(path))
        native.log.clear()
        adapter = self._known.get(key)
        if adapter is None:
            adapter = native.lib.llama_adapter_lora_init(self._loaded.model, os.fsencode(path))
            if not adapter:  # a NULL pointer object, not None
                raise ModelError(f"{path.name} cannot be loaded as an adapter: {native.log.reason()}")
            self._known[key] = adapter
        if not self._set(self._loaded.context, adapter, scale):
            raise ModelError(f"{path.name} does not fit this model: {native.log.reason()}")
        self._attached = adapter, scale
        self.identity = f"{file_identity([path])} {scale!r}"

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
