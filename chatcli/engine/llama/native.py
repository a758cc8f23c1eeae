"""Imports ``llama_cpp`` on the first call of ``load`` and catches llama.cpp's log lines.

No other module imports it.
"""

import ctypes
import functools
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

_WARN, _ERROR, _CONT = 3, 4, 5  # enum ggml_log_level
# Names of C functions before the reason.
_SOURCE = re.compile(r"^(?:(?:[a-z_]+|error loading model(?: \w+)?): +)+")


class NativeLog:
    """The last log lines of llama.cpp. They carry the reason when a load or a decode fails."""

    def __init__(self) -> None:
        self._lines: deque[tuple[int, str]] = deque(maxlen=200)
        #: Called with each piece of log text, in the thread that llama.cpp works in.
        self.listener: Callable[[str], None] | None = None

    def feed(self, level: int, text: bytes | None, _user_data: Any) -> None:
        """Receive one piece of log text (llama.cpp's ``ggml_log_callback``)."""
        piece = (text or b"").decode("utf-8", "replace")
        if self.listener is not None:
            self.listener(piece)
        if level == _CONT and self._lines:
            last_level, last = self._lines[-1]
            self._lines[-1] = (last_level, last + piece)
        else:
            self._lines.append((level, piece))

    def clear(self) -> None:
        """Forget all lines. Called before an operation whose own lines matter."""
        self._lines.clear()

    def problems(self) -> list[str]:
        """Warnings and errors since the last ``clear``, oldest first, stripped."""
        return self._at((_WARN, _ERROR))

    def reason(self) -> str:
        """The first error since the last ``clear``, else the last warning, else ''."""
        lines = self._at((_ERROR,))[:1] or self._at((_WARN,))[-1:] or [""]
        return _SOURCE.sub("", lines[0]).partition("\n")[0]

    def _at(self, levels: tuple[int, ...]) -> list[str]:
        return [text.strip() for level, text in self._lines if level in levels and text.strip()]


class Native:
    """The loaded binding (``lib``, whose functions are llama.cpp's C functions) and its log."""

    def __init__(self) -> None:
        # Otherwise an abort starts gdb and prints to stdout. Must be set before the library loads.
        os.environ.setdefault("GGML_NO_BACKTRACE", "1")
        import llama_cpp

        self.lib: ModuleType = llama_cpp
        self.log = NativeLog()
        self._callback = llama_cpp.llama_log_callback(self.log.feed)  # C keeps only the pointer
        llama_cpp.llama_log_set(self._callback, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()

    @functools.cached_property
    def mtmd(self) -> ModuleType | None:
        """``llama_cpp.mtmd_cpp``, for pictures and sound. None if this build lacks libmtmd."""
        try:
            from llama_cpp import mtmd_cpp
        except (ImportError, OSError, RuntimeError, AttributeError):  # no such library, or an older one
            return None
        module: ModuleType = mtmd_cpp
        module.mtmd_helper_log_set(self._callback, ctypes.c_void_p(0))  # sets mtmd's and clip's own, too
        return module

    def symbol(self, name: str, result: Any, *arguments: Any) -> Any:
        """A C function of ggml that the binding does not declare, by ctypes types. None if it is missing."""
        for library in self._libraries():
            try:
                function = library[name]  # a new object each time: its types are nobody else's
            except AttributeError:
                continue
            function.restype, function.argtypes = result, list(arguments)
            return function
        return None

    def _libraries(self) -> Iterator[ctypes.CDLL]:
        """libllama, which also finds ggml's symbols; on Windows ggml's own files too."""
        yield self.lib.llama_cpp._lib
        if sys.platform == "win32":
            for file in sorted(self.lib.llama_cpp._base_path.glob("*ggml*.dll")):
                yield ctypes.CDLL(str(file))


@functools.cache
def load() -> Native:
    """Load llama.cpp once per process; raises ImportError, OSError or RuntimeError if that fails."""
    return Native()
