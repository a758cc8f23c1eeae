"""Tensor formats and file types of GGUF, as tables (llama.cpp's ggml.h and llama.h, build 0.25.3 of ggml)."""

from collections.abc import Mapping
from typing import NamedTuple


class TensorFormat(NamedTuple):
    """How the elements of a tensor are stored.

    Attributes:
        name: as shown to people.
        block: elements per block; rows are whole blocks.
        size: bytes per block.
    """

    name: str
    block: int
    size: int


# Numbers that are absent once stood for formats that llama.cpp has removed.
TENSOR_FORMATS: Mapping[int, TensorFormat] = {
    0: TensorFormat("F32", 1, 4),
    1: TensorFormat("F16", 1, 2),
    2: TensorFormat("Q4_0", 32, 18),
    3: TensorFormat("Q4_1", 32, 20),
    6: TensorFormat("Q5_0", 32, 22),
    7: TensorFormat("Q5_1", 32, 24),
    8: TensorFormat("Q8_0", 32, 34),
    9: TensorFormat("Q8_1", 32, 36),
    10: TensorFormat("Q2_K", 256, 84),
    11: TensorFormat("Q3_K", 256, 110),
    12: TensorFormat("Q4_K", 256, 144),
    13: TensorFormat("Q5_K", 256, 176),
    14: TensorFormat("Q6_K", 256, 210),
    15: TensorFormat("Q8_K", 256, 292),
    16: TensorFormat("IQ2_XXS", 256, 66),
    17: TensorFormat("IQ2_XS", 256, 74),
    18: TensorFormat("IQ3_XXS", 256, 98),
    19: TensorFormat("IQ1_S", 256, 50),
    20: TensorFormat("IQ4_NL", 32, 18),
    21: TensorFormat("IQ3_S", 256, 110),
    22: TensorFormat("IQ2_S", 256, 82),
    23: TensorFormat("IQ4_XS", 256, 136),
    24: TensorFormat("I8", 1, 1),
    25: TensorFormat("I16", 1, 2),
    26: TensorFormat("I32", 1, 4),
    27: TensorFormat("I64", 1, 8),
    28: TensorFormat("F64", 1, 8),
    29: TensorFormat("IQ1_M", 256, 56),
    30: TensorFormat("BF16", 1, 2),
    34: TensorFormat("TQ1_0", 256, 54),
    35: TensorFormat("TQ2_0", 256, 66),
    39: TensorFormat("MXFP4", 32, 17),
    40: TensorFormat("NVFP4", 64, 36),
    41: TensorFormat("Q1_0", 128, 18),
    42: TensorFormat("Q2_0", 64, 18),
}

# general.file_type (enum llama_ftype), by the names people look for on a download page.
FILE_TYPES: Mapping[int, str] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4",
    39: "NVFP4",
    40: "Q1_0",
    41: "Q2_0",
}
