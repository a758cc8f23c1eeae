"""Reading GGUF headers: what a good one says, and that a bad one yields one reason and nothing else."""

import contextlib
import os
import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path

import gguf as reference
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcli.engine.gguf import MetadataArray, ShardInfo, ValueType, check, read_header
from chatcli.engine.gguf.formats import FILE_TYPES, TENSOR_FORMATS
from chatcli.errors import InvalidModel, ModelError, ModelNotFound
from tests.engine.gguf_files import ARRAY, I32, STRING, U32, U64, File, Key, text, tiny_model

MODEL = tiny_model()


def reason(path: Path, content: bytes) -> str:
    """Why a file of this content is refused, as a user reads it."""
    path.write_bytes(content)
    with pytest.raises(InvalidModel) as caught:
        check(read_header(path))
    message = str(caught.value)
    assert message.startswith(path.name + ": ")
    assert message.isprintable(), "one line, no control characters"
    return message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


def test_a_good_header_says_what_is_in_the_file(path: Path) -> None:
    """Typed metadata, tensor descriptions and the summary people ask for."""
    header = read_header(MODEL.write(path))
    check(header)
    assert (header.version, header.architecture, header.name) == (3, "llama", "Tiny test model")
    assert (header.context_length, header.quantization, header.split) == (512, "Q8_0", None)
    assert header.chat_template == MODEL.get("tokenizer.chat_template").value
    assert header.metadata["llama.rope.freq_base"] == 10000.0
    assert header.types["llama.block_count"] is ValueType.UINT32
    assert header.metadata["tokenizer.ggml.add_bos_token"] is True
    assert [t.name for t in header.tensors] == [t.name for t in MODEL.tensors]
    assert header.parameters == sum(t.elements for t in header.tensors) == 98_624
    assert header.describe() == "llama 99K Q8_0, context 512"
    assert header.file_size == path.stat().st_size
    assert header.data_offset % 32 == 0


def test_arrays_are_decoded_when_they_are_read(path: Path) -> None:
    """A vocabulary comes as one block of bytes and yields its tokens on iteration, whatever their bytes."""
    odd: list[str | bytes] = ["", "ä", b"\xff", "a\x00b", "x" * 1000]
    model = MODEL.with_key("odd", ARRAY, (STRING, odd)).with_key("numbers", ARRAY, (I32, [-1, 2**31 - 1]))
    header = read_header(model.write(path))
    tokens = header.array("odd")
    assert isinstance(tokens, MetadataArray)
    assert len(tokens) == 5
    assert list(tokens) == ["", "ä", "\\xff", "a\x00b", "x" * 1000]
    assert list(tokens.strings())[2] == b"\xff"
    numbers = header.array("numbers")
    assert numbers is not None
    assert list(numbers) == [-1, 2**31 - 1]
    assert list(numbers.strings()) == []


def test_a_header_longer_than_one_read_is_read_whole(path: Path) -> None:
    """Arrays that cross the reader's blocks come out complete."""
    words = [f"token number {i}" for i in range(100_000)]
    header = read_header(MODEL.with_key("words", ARRAY, (STRING, words)).write(path))
    found = header.array("words")
    assert found is not None
    assert list(found) == words
    assert header.tensors[-1].name == MODEL.tensors[-1].name


def test_tables_agree_with_llama_cpp() -> None:
    """Sizes of every tensor format are the library's own; file types are the reference package's."""
    import ctypes

    from chatcli.engine.llama.native import load

    native = load()
    size = native.symbol("ggml_type_size", ctypes.c_size_t, ctypes.c_int)
    block = native.symbol("ggml_blck_size", ctypes.c_int64, ctypes.c_int)
    known = {number: (block(number), size(number)) for number in range(43) if size(number)}
    assert {number: (f.block, f.size) for number, f in TENSOR_FORMATS.items()} == known
    for kind in reference.LlamaFileType:
        if kind.value in FILE_TYPES:
            assert kind.name in (
                f"MOSTLY_{FILE_TYPES[kind.value]}",
                f"ALL_{FILE_TYPES[kind.value]}",
                "MOSTLY_MXFP4_MOE",
            )


def test_the_quantization_is_counted_where_the_file_does_not_say(path: Path) -> None:
    """Without general.file_type, or with an unknown one, the format of most weights is the label."""
    assert read_header(MODEL.without_key("general.file_type").write(path)).quantization == "Q8_0"
    assert read_header(MODEL.with_key("general.file_type", U32, 999).write(path)).quantization == "Q8_0"
    assert (
        read_header(MODEL.with_key("general.file_type", U32, 1024 + 15).write(path)).quantization == "Q4_K_M"
    )


FOREIGN = {
    "empty": (b"", "empty"),
    "zeros": (bytes(5000), "zeros"),
    "web page": (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
    "git-LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
        "git-LFS pointer",
    ),
    "a server's words": (b"Entry not found", "begins: Entry not found"),
    "safetensors": (struct.pack("<Q", 9) + b'{"a": {}}' + bytes(40), "safetensors"),
    "zip": (b"PK\x03\x04" + bytes(60), "PyTorch checkpoint"),
    "pickle": (b"\x80\x02}q\x00." + bytes(20), "pickle"),
    "GGML": (b"lmgg" + bytes(60), "format before GGUF"),
    "GGJT": (b"tjgg" + bytes(60), "format before GGUF"),
    "gzip": (b"\x1f\x8b\x08" + bytes(60), "gzip"),
    "reversed magic": (b"FUGG" + bytes(60), "byte-swapped"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 1, 1) + bytes(60), "big-endian"),
    "version 1": (b"GGUF" + struct.pack("<III", 1, 1, 1) + bytes(60), "version 1"),
    "version 77": (b"GGUF" + struct.pack("<IQQ", 77, 1, 1) + bytes(60), "version 77"),
    "other bytes": (bytes(range(200, 256)), "begins with c8 c9 ca cb"),
    "a part of the magic": (b"GG", "incomplete"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_other_files_are_named_for_what_they_are(path: Path, name: str) -> None:
    """Not being a GGUF has as many reasons as ways to get there; each one is told apart."""
    content, expected = FOREIGN[name]
    assert expected in reason(path, content)


ABSURD = {
    "tensors": (replace(MODEL, counts=(2**63, 1)), "tensors"),
    "keys": (replace(MODEL, counts=(1, 2**40)), "metadata keys"),
    "array": (File((Key("a", ARRAY, struct.pack("<IQ", I32, 2**61)),)), "claims 2305843009213693952 values"),
    "strings": (File((Key("a", ARRAY, struct.pack("<IQ", STRING, 2**60)),)), "values"),
    "a string in an array": (
        File((Key("a", ARRAY, struct.pack("<IQQ", STRING, 1, 2**64 - 1)),)),
        "incomplete",
    ),
    "string": (File((Key("a", STRING, struct.pack("<Q", 2**63)),)), "bytes long"),
    "key name": (File((Key(b"k" * 70_000, U32, 1),)), "bytes long"),
    "no key name": (File((Key("", U32, 1),)), "no name"),
    "type": (File((Key("a", 13, b"1234"),)), "unknown type 13"),
    "array of arrays": (File((Key("a", ARRAY, struct.pack("<IQ", ARRAY, 1)),)), "array of arrays"),
    "key twice": (File((Key("a", U32, 1), Key("a", U32, 2))), "the key a occurs twice"),
    "tensor twice": (replace(MODEL, tensors=(MODEL.tensors[0],) * 2), "token_embd.weight occurs twice"),
    "tensor name": (MODEL.with_tensor("output.weight", name="t" * 64), "bytes long"),
    "dimensions": (MODEL.with_tensor("output.weight", shape=(1,) * 5), "5 dimensions"),
    "alignment 0": (MODEL.with_key("general.alignment", U32, 0), "power of 2"),
    "alignment 33": (MODEL.with_key("general.alignment", U32, 33), "power of 2"),
    "alignment's type": (MODEL.with_key("general.alignment", U64, 32), "power of 2"),
    "a key to make you look": (File((Key("a\x1b[2J\n", 13, b"1234"),)), r"the key a\x1b[2J\n has"),
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_headers_are_refused_at_once(path: Path, name: str) -> None:
    """No count or length is believed: what it would cost is never spent."""
    model, expected = ABSURD[name]
    content = model.encode()
    tracemalloc.start()
    try:
        message = reason(path, content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert expected in message
    assert peak < 4 << 20, "bytes; the first read is one of them"


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    """A missing file, a folder, and a pipe, which must not be waited for."""
    with pytest.raises(ModelNotFound, match="no such file"):
        read_header(tmp_path / "none.gguf")
    with pytest.raises(InvalidModel, match="a folder"):
        read_header(tmp_path)
    with pytest.raises(ModelError, match="cannot read"):
        read_header("a\x00b")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidModel, match="not a file"):
        read_header(tmp_path / "pipe")


def test_a_download_cut_anywhere_in_the_header_is_incomplete(path: Path) -> None:
    """Every proper prefix of the header is refused, and none yields another exception."""
    small = File(
        (Key("general.architecture", STRING, "llama"), Key("a", ARRAY, (STRING, ["b", "c"]))),
        MODEL.tensors[:2],
    )
    header = small.header()
    for end in range(1, len(header)):
        message = reason(path, header[:end])
        assert "incomplete" in message or "bytes left" in message, end


def test_a_download_cut_in_the_weights_names_both_sizes(path: Path) -> None:
    """The header is whole, so the size the file should have is known."""
    whole = MODEL.encode()
    padding = -len(MODEL.tensors[-1].data) % 32
    for missing in (padding + 1, 5000, len(whole) - len(MODEL.header()) - 40):
        message = reason(path, whole[: len(whole) - missing])
        assert f"{len(whole) - missing} bytes long" in message
        assert f"need {len(whole) - padding}" in message
        assert "incomplete" in message


def test_split_names_follow_the_first_file(path: Path) -> None:
    """The siblings of a shard are found by its name, as llama.cpp does."""
    path = path.with_name("big-00001-of-00003.gguf")
    header = read_header(MODEL.with_key("split.count", 2, 3).with_key("split.no", 2, 0).write(path))
    assert header.split == ShardInfo(0, 3)
    assert header.shard_path(2) == path.with_name("big-00003-of-00003.gguf")


def survives(path: Path, content: bytes) -> None:
    """Read and check: all is well, or InvalidModel; anything else fails the test."""
    path.write_bytes(content)
    with contextlib.suppress(InvalidModel):
        header = read_header(path)
        check(header)
        assert header.describe()


PREFIXES = st.sampled_from(
    [b"", b"GGUF", b"GGUF\x03\0\0\0", b"GGUF" + struct.pack("<IQQ", 3, 1, 2), b"version "]
)


@given(prefix=PREFIXES, rest=st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_random_bytes_yield_a_reason(
    tmp_path_factory: pytest.TempPathFactory, prefix: bytes, rest: bytes
) -> None:
    """Whatever the bytes, the answer is a header or InvalidModel."""
    survives(tmp_path_factory.getbasetemp() / "random.gguf", prefix + rest)


SMALL = replace(MODEL.with_key("tokenizer.ggml.merges", ARRAY, (STRING, ["t h"])), tensors=MODEL.tensors[:4])
SMALL_BYTES = SMALL.encode()
flips = st.lists(
    st.tuples(st.integers(0, len(SMALL.header()) - 1), st.integers(0, 255)), min_size=1, max_size=4
)


@given(changes=flips)
@settings(max_examples=150, deadline=None)
def test_flipped_bytes_yield_a_reason(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    """A damaged header still reads, or is InvalidModel."""
    content = bytearray(SMALL_BYTES)
    for place, value in changes:
        content[place] = value
    survives(tmp_path_factory.getbasetemp() / "flipped.gguf", bytes(content))


@pytest.mark.soak
def test_every_byte_flipped_yields_a_reason(path: Path) -> None:
    """The same for each byte of a whole header outside the long arrays, with four values each."""
    whole = MODEL.encode()
    arrays = whole.index(text("tokenizer.ggml.tokens")), whole.index(text("tokenizer.ggml.bos_token_id"))
    for place in [*range(arrays[0] + 200), *range(arrays[1], len(MODEL.header()))]:
        for value in (0, 1, 0x7F, 0xFF):
            survives(path, whole[:place] + bytes([value]) + whole[place + 1 :])
