"""GGUF headers in pure Python: reads one, and names what is plainly wrong with the file.

``read_header`` never trusts a count or a length of the file, so a hostile file costs bounded memory and time.
Nothing heavy is imported. The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from chatcli.engine.gguf.check import check, check_projector, read_shards
from chatcli.engine.gguf.header import Header, MetadataArray, ShardInfo, TensorInfo, Value, ValueType
from chatcli.engine.gguf.projector import Projector, is_projector, projector
from chatcli.engine.gguf.reader import read_header

__all__ = [
    "Header",
    "MetadataArray",
    "Projector",
    "ShardInfo",
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
