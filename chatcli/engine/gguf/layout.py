"""Checks formats, shapes and places of a file's tensors, and that the file is long enough to hold them."""

from chatcli.engine.gguf.formats import REMOVED_FORMATS, TENSOR_FORMATS
from chatcli.engine.gguf.header import Header, TensorInfo
from chatcli.engine.gguf.reader import quote

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
    if header.tensors:
        last = header.tensors[-1]
        needed = header.data_offset + last.offset + last.size  # no padding is needed after the last tensor
        if needed > header.file_size:
            return (
                f"the file is {header.file_size} bytes long, and its tensors need {needed}: "
                "the download is incomplete"
            )
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
            return f"has the senseless shape {_shape(tensor)}"
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


def _shape(tensor: TensorInfo) -> str:
    return " x ".join(map(str, tensor.shape))
