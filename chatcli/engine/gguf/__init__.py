"""GGUF headers in pure Python: read one, and say whether llama.cpp should be allowed to see the file.

``read_header`` never trusts a count or a length of the file, so a hostile file costs bounded memory and time;
``check`` refuses what is not a sane model, with one line that says why. Both load in milliseconds and import
nothing heavy. The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from chatcli.engine.gguf.check import check
from chatcli.engine.gguf.header import Array, Header, Split, TensorInfo, Value, ValueType
from chatcli.engine.gguf.projector import Projector, is_projector, projector
from chatcli.engine.gguf.projector_check import check_projector
from chatcli.engine.gguf.reader import read_header
from chatcli.engine.gguf.shards import read_shards

__all__ = [
    "Array",
    "Header",
    "Projector",
    "Split",
    "TensorInfo",
    "Value",
    "ValueType",
    "check",
    "check_projector",
    "is_projector",
    "projector",
    "read_header",
    "read_shards",
]
