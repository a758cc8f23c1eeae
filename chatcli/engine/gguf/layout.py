"""Checks formats, shapes and places of a file's tensors, and that the file is long enough to hold them."""

import re
from collections.abc import Sequence

from chatcli.engine.gguf.formats import REMOVED_FORMATS, TENSOR_FORMATS
from chatcli.engine.gguf.header import Header, TensorInfo
from chatcli.engine.gguf.reader import quote

_MAPPED_ALIGNMENT = 32  # bytes; ggml asserts it of what it maps
_NEVER_STORED = frozenset({"Q8_1", "Q8_K"})  # formats of intermediate results, without products of their own
#: Formats nothing is multiplied with.
NOT_WEIGHTS = _NEVER_STORED | {"I8", "I16", "I32", "I64", "F64"}
_FLOATS = frozenset({"F32", "F16", "BF16"})
_WEIGHT = re.compile(
    r"(?:^|\.)(?:token_embd|output|attn_(?:q|k|v|qkv|output)|ffn_(?:gate|up|down)(?:_exps)?)\.weight$"
)
_VECTOR = re.compile(r"(?:_norm\.weight|\.bias)$")
_MAX_ELEMENTS = 2**63 - 1  # ggml counts in int64


def layout_problem(header: Header) -> str:
    """What is wrong with the tensors' layout, in words; '' when nothing is.

    The rules are gguf.cpp's: tensors follow each other in the order of their descriptions, each padded to the
    file's alignment, without gaps.
    """
    expected = 0
    for tensor in header.tensors:
        problem = _shape_problem(tensor) or _offset_problem(tensor, expected, header.alignment)
        if problem:
            return f"the tensor {quote(tensor.name)} {problem}"
        expected += -(-tensor.size // header.alignment) * header.alignment
        place = header.data_offset + tensor.offset
        if header.alignment < _MAPPED_ALIGNMENT and place % _MAPPED_ALIGNMENT:
            return (
                f"its alignment of {header.alignment} bytes is too small for {quote(tensor.name)} at {place}"
            )
    if header.tensors:
        last = header.tensors[-1]
        needed = header.data_offset + last.offset + last.size  # no padding is needed after the last tensor
        if needed > header.file_size:
            return (
                f"the file is {header.file_size} bytes long, and its tensors need {needed}: it is incomplete"
            )
    return ""


def format_problem(tensors: Sequence[TensorInfo], plain: bool) -> str:
    """Which tensor is in a format its place cannot have, in words; '' when none is.

    ggml computes with such a tensor without asking, or aborts.

    Args:
        tensors: all of a model.
        plain: its architecture is one whose norms and biases are F32 on every device.
    """
    for tensor in tensors:
        name = tensor.format_name
        wrong = name in _NEVER_STORED
        if _WEIGHT.search(tensor.name):
            wrong = name in NOT_WEIGHTS
        elif _VECTOR.search(tensor.name):
            wrong = name != "F32" if plain else name not in _FLOATS
        if wrong:
            return f"the tensor {quote(tensor.name)} is in the format {name}, which it cannot be"
    return ""


def _shape_problem(tensor: TensorInfo) -> str:
    known = TENSOR_FORMATS.get(tensor.type)
    if known is None:
        if tensor.type in REMOVED_FORMATS:
            return f"is in a format (type {tensor.type}) that llama.cpp has removed; download a newer file"
        return f"is in a format (type {tensor.type}) that is unknown; a newer chatcli may know it"
    elements = 1
    for size in tensor.shape:
        elements *= max(size, 1)
        if size > _MAX_ELEMENTS or elements > _MAX_ELEMENTS // known.size:
            return f"has the senseless shape {tensor.shape_text}"
    row = tensor.shape[0] if tensor.shape else 1
    if row % known.block:
        return f"has rows of {row} elements, which are not whole blocks of {known.block} ({known.name})"
    return ""


def _offset_problem(tensor: TensorInfo, expected: int, alignment: int) -> str:
    if tensor.offset == expected:
        return ""
    if tensor.offset % alignment:
        return f"starts at {tensor.offset}, which is not a multiple of the alignment {alignment}"
    if tensor.offset < expected:
        return f"starts at {tensor.offset} and overlaps the one before it, which ends at {expected}"
    return f"starts at {tensor.offset} and should start at {expected}"
