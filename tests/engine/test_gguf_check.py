"""The check of a model's header: what is refused, with which words, and above all what is not."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.engine.gguf import check, read_header, read_shards
from chatcli.errors import InvalidModel
from tests.engine.gguf_files import ARRAY, BOOL, F32, I32, STRING, U16, U32, File, Key, Tensor, tiny_model

MODEL = tiny_model()
WORDS: list[str] = MODEL.get("tokenizer.ggml.tokens").value[1]
TOKENS = "tokenizer.ggml.tokens"


def refusal(model: File, path: Path) -> str:
    """The reason for which a model is refused, without its name; '' when it is not."""
    header = read_header(model.write(path))
    try:
        check(header)
    except InvalidModel as error:
        message = str(error)
    else:
        return ""
    assert message.startswith(f"{path.name}: ")
    return message.removeprefix(f"{path.name}: ")


def number(key: str, value: int) -> File:
    return MODEL.with_key(f"llama.{key}", U32, value)


def real(key: str, value: float) -> File:
    return MODEL.with_key(f"llama.{key}", F32, value)


def words(*tokens: str | bytes) -> File:
    return MODEL.with_key(TOKENS, ARRAY, (STRING, [*tokens, *WORDS[len(tokens) :]]))


OTHER_KINDS = {
    "adapter": (MODEL.with_key("general.type", STRING, "adapter"), "LoRA adapter"),
    "adapter by its key": (MODEL.with_key("adapter.type", STRING, "lora"), "LoRA adapter"),
    "projector": (MODEL.with_key("general.architecture", STRING, "clip"), "mmproj"),
    "importance matrix": (MODEL.with_key("general.type", STRING, "imatrix"), "importance matrix"),
    "control vector": (MODEL.with_key("general.architecture", STRING, "controlvector"), "control vector"),
    "vocabulary": (replace(MODEL, tensors=()), "vocabulary only"),
    "nothing": (replace(MODEL.without_key(TOKENS), tensors=()), "no weights"),
    "no architecture": (MODEL.without_key("general.architecture"), "general.architecture is missing"),
    "architecture 7": (MODEL.with_key("general.architecture", U32, 7), "not a name"),
}

NUMBERS = {
    "no blocks": (number("block_count", 0), "block_count is 0"),
    "too many blocks": (number("block_count", 20_000), "block_count is 20000"),
    "more blocks than there are": (number("block_count", 3), "is 3, and the file has 2 blocks"),
    "fewer blocks than there are": (number("block_count", 1), "is 1, and the file has 2 blocks"),
    "blocks as text": (MODEL.with_key("llama.block_count", STRING, "2"), "not a whole number"),
    "no block count": (MODEL.without_key("llama.block_count"), "block_count is missing"),
    "no context": (number("context_length", 0), "context_length is 0"),
    "endless context": (number("context_length", 2**32 - 1), "context_length is 4294967295"),
    "no width": (number("embedding_length", 0), "embedding_length is 0"),
    "another width": (number("embedding_length", 128), "token_embd.weight is 64 x 288"),
    "no heads": (number("attention.head_count", 0), "head_count is 0"),
    "heads that do not divide": (number("attention.head_count", 5), "does not divide"),
    "no shared heads": (number("attention.head_count_kv", 0), "does not divide 4 heads"),
    "3 shared heads for 4": (number("attention.head_count_kv", 3), "does not divide 4 heads"),
    "epsilon NaN": (real("attention.layer_norm_rms_epsilon", math.nan), "epsilon is nan"),
    "epsilon 0": (real("attention.layer_norm_rms_epsilon", 0.0), "epsilon is 0"),
    "epsilon -1": (real("attention.layer_norm_rms_epsilon", -1.0), "epsilon is -1"),
    "epsilon infinite": (real("attention.layer_norm_epsilon", math.inf), "epsilon is inf"),
    "rotation beyond the head": (number("rope.dimension_count", 32), "is 32 for heads of 16"),
    "rotation of half a pair": (number("rope.dimension_count", 15), "is 15 for heads of 16"),
    "rotation of a part": (number("rope.dimension_count", 8), "rotated 8"),
    "values of another width": (number("attention.value_length", 8), "with values of 8"),
    "rope base 0": (real("rope.freq_base", 0.0), "freq_base is 0"),
    "rope base NaN": (real("rope.freq_base", math.nan), "freq_base is nan"),
    "a scale NaN": (real("rope.scaling.factor", math.nan), "rope.scaling.factor is not a number"),
    "rope scaling": (MODEL.with_key("llama.rope.scaling.type", STRING, "new"), "type is new"),
    "too many experts": (number("expert_count", 5000), "5000 experts"),
    "experts none of which is used": (number("expert_count", 4), "expert_used_count is 0 of 4"),
    "used experts that do not exist": (number("expert_used_count", 4), "is 4 of 0"),
    "expert count per block below 0": (
        MODEL.with_key("llama.expert_used_count", ARRAY, (I32, [0, -1])),
        "is 4294967295 of 0",
    ),
    "expert groups": (number("expert_group_count", 2), "expert_group_count is 2 for 0"),
    "predicted blocks": (number("nextn_predict_layers", 3), "nextn_predict_layers"),
}

VOCABULARIES = {
    "no tokenizer": (MODEL.without_key("tokenizer.ggml.model"), "no tokenizer"),
    "no tokens": (MODEL.without_key(TOKENS), "no vocabulary"),
    "an empty list": (MODEL.with_key(TOKENS, ARRAY, (STRING, [])), "vocabulary has 0 tokens"),
    "numbers for tokens": (MODEL.with_key(TOKENS, ARRAY, (I32, [0] * 288)), "no vocabulary"),
    "a token short": (MODEL.with_key(TOKENS, ARRAY, (STRING, WORDS[:-1])), "vocabulary has 287 tokens"),
    "scores short": (
        MODEL.with_key("tokenizer.ggml.scores", ARRAY, (F32, [0.0])),
        "1 entries for 288 tokens",
    ),
    "types long": (
        MODEL.with_key("tokenizer.ggml.token_type", ARRAY, (I32, [1] * 289)),
        "289 entries for 288",
    ),
    "types as text": (MODEL.with_key("tokenizer.ggml.token_type", STRING, ""), "not an array of numbers"),
    "twice the same token": (words("b"), "has the token 'b' twice"),
    "the same up to NUL": (words("z1\x00a", "z1\x00b"), "has the token 'z1' twice"),
    "the name of an empty one": (words("[EMPTY_1]", ""), "has the token '[EMPTY_1]' twice"),
    "an endless token": (words("z" * 9000), "token 0 is 9000 bytes"),
    "start token": (MODEL.with_key("tokenizer.ggml.bos_token_id", U32, 288), "bos_token_id is 288"),
    "end token": (MODEL.with_key("tokenizer.ggml.eos_token_id", I32, -1), "eos_token_id is -1"),
    "end token as text": (MODEL.with_key("tokenizer.ggml.eos_token_id", STRING, "a"), "not a number"),
    "no bytes": (MODEL.with_key("tokenizer.ggml.model", STRING, "llama"), "single bytes"),
    "no bytes, rwkv": (MODEL.with_key("tokenizer.ggml.model", STRING, "rwkv"), "single bytes"),
    "template": (MODEL.with_key("tokenizer.chat_template", STRING, "x" * 1_000_001), "1000001 characters"),
    "template's type": (MODEL.with_key("tokenizer.chat_template", U32, 1), "template is not text"),
}

EMBEDDINGS = MODEL.tensors[0]
PLACES = {
    "overlapping": (MODEL.with_tensor("output.weight", offset=32), "overlaps the one before"),
    "apart": (MODEL.with_tensor("output.weight", offset=1 << 30), "should start at"),
    "between": (MODEL.with_tensor("output.weight", offset=19_841), "not a multiple of the alignment"),
    "unknown format": (MODEL.with_tensor("output.weight", type=99), "type 99"),
    "removed format": (MODEL.with_tensor("output.weight", type=4), "removed"),
    "half blocks": (MODEL.with_tensor("output.weight", shape=(65, 288)), "not whole blocks of 32 (Q8_0)"),
    "too large to count": (MODEL.with_tensor("output.weight", shape=(2**32, 2**32)), "senseless shape"),
    "numbers for weights": (
        MODEL.with_tensor("output.weight", type=24, data=bytes(64 * 288)),
        "output.weight is in the format I8",
    ),
    "half precision norms": (
        MODEL.with_tensor("output_norm.weight", type=1, data=bytes(128)),
        "output_norm.weight is in the format F16",
    ),
    "alignment": (replace(MODEL.with_key("general.alignment", U32, 1), alignment=1), "alignment of 1 bytes"),
    "no embeddings": (MODEL.without_tensor("token_embd.weight"), "token_embd.weight is missing"),
}


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_files_that_are_no_models_are_named(tmp_path: Path, name: str) -> None:
    """GGUF holds other things than models, and people mix them up."""
    model, expected = OTHER_KINDS[name]
    assert expected in refusal(model, tmp_path / "m.gguf")


@pytest.mark.parametrize("name", NUMBERS)
def test_senseless_numbers_are_named_with_their_value(tmp_path: Path, name: str) -> None:
    """Zero, huge, not a number, or not matching the weights."""
    model, expected = NUMBERS[name]
    assert expected in refusal(model, tmp_path / "m.gguf")


@pytest.mark.parametrize("name", VOCABULARIES)
def test_senseless_vocabularies_are_refused(tmp_path: Path, name: str) -> None:
    """Arrays of unequal length, the same token twice, ids beyond the end."""
    model, expected = VOCABULARIES[name]
    assert expected in refusal(model, tmp_path / "m.gguf")


@pytest.mark.parametrize("name", PLACES)
def test_senseless_tensors_are_refused(tmp_path: Path, name: str) -> None:
    """Places, shapes and formats that do not go together."""
    model, expected = PLACES[name]
    assert expected in refusal(model, tmp_path / "m.gguf")


FAIR = {
    "as it is": MODEL,
    "qwen2": tiny_model("qwen2"),
    "one block": tiny_model(blocks=1),
    "of version 2": replace(MODEL, version=2),
    "of a type called model": MODEL.with_key("general.type", STRING, "model"),
    "without a template": MODEL.without_key("tokenizer.chat_template"),
    "without shared heads": MODEL.without_key("llama.attention.head_count_kv"),
    "with heads by block": MODEL.with_key("llama.attention.head_count", ARRAY, (U32, [4, 4])),
    "with a head width of its own": number("attention.head_count", 6)
    .with_key("llama.attention.head_count_kv", U32, 3)
    .with_key("llama.attention.key_length", U32, 16)
    .with_key("llama.attention.value_length", U32, 16),
    "with the unused epsilon at 0": real("attention.layer_norm_epsilon", 0.0),
    "without a start token": MODEL.with_key("tokenizer.ggml.bos_token_id", U32, 2**32 - 1),
    "with padding beyond the end": MODEL.with_key("tokenizer.ggml.padding_token_id", U32, 288),
    "with an empty token": words(""),
    "with bytes that are no UTF-8": words(b"\xff\xfe"),
    "with keys nobody knows": MODEL.with_key("some.future.key", ARRAY, (BOOL, [1, 0])),
    "with bytes after the end": replace(MODEL, tensors=(*MODEL.tensors, Tensor("later", (8,), bytes(32)))),
    "with a larger alignment": replace(MODEL.with_key("general.alignment", U32, 4096), alignment=4096),
}


@pytest.mark.parametrize("name", FAIR)
def test_good_models_pass(tmp_path: Path, name: str) -> None:
    """What llama.cpp loads, and what real files do, is never refused."""
    assert refusal(FAIR[name], tmp_path / "m.gguf") == ""


def test_an_unknown_architecture_passes_with_numbers_nobody_expects(tmp_path: Path) -> None:
    """Of a new kind of model only what holds for all is asked: here, odd numbers and strange names."""
    model = tiny_model("futureformer").without_key("futureformer.attention.head_count")
    model = model.with_key("futureformer.block_count", U32, 7).with_key(
        "futureformer.embedding_length", U32, 999
    )
    model = model.with_key("futureformer.attention.layer_norm_rms_epsilon", F32, 0.0)
    model = model.without_tensor("token_embd.weight").without_tensor("blk.0.attn_q.weight")
    assert refusal(model, tmp_path / "m.gguf") == ""
    assert "futureformer.block_count is 0" in refusal(
        model.with_key("futureformer.block_count", U32, 0), tmp_path / "m.gguf"
    )


def test_a_vocabulary_with_byte_tokens_passes(tmp_path: Path) -> None:
    """SentencePiece vocabularies spell single bytes <0x00>, RWKV's with a backslash."""
    spelt = [f"<0x{byte:02X}>" for byte in range(256)]
    model = words(*spelt).with_key("tokenizer.ggml.model", STRING, "llama")
    assert refusal(model, tmp_path / "m.gguf") == ""
    assert "lacks 1 of" in refusal(
        words(*spelt[:-1]).with_key("tokenizer.ggml.model", STRING, "llama"), tmp_path / "m.gguf"
    )
    escaped = [chr(b) if 32 <= b < 127 and b != 92 else f"\\x{b:02x}" for b in range(256)]
    escaped[9], escaped[10], escaped[13], escaped[92] = "\\t", "\\n", "\\r", "\\\\"
    assert (
        refusal(words(*escaped).with_key("tokenizer.ggml.model", STRING, "rwkv"), tmp_path / "m.gguf") == ""
    )


def shard(number: int, of: int, tensors: tuple[Tensor, ...], total: int) -> File:
    keys = (Key("split.no", U16, number), Key("split.count", U16, of), Key("split.tensors.count", I32, total))
    return File((*(MODEL.keys if number == 0 else ()), *keys), tensors)


def write_split(folder: Path) -> list[Path]:
    """The model in three files, the first without weights, as llama.cpp's splitter may write it."""
    parts = ((), MODEL.tensors[:5], MODEL.tensors[5:])
    return [
        shard(i, 3, part, len(MODEL.tensors)).write(folder / f"big-{i + 1:05d}-of-00003.gguf")
        for i, part in enumerate(parts)
    ]


def test_a_split_model_is_checked_as_one(tmp_path: Path) -> None:
    """All its files are read; blocks and embeddings are found wherever they are."""
    first = read_header(write_split(tmp_path)[0])
    check(first)
    assert (
        sum(part.parameters for part in read_shards(first))
        == read_header(MODEL.write(tmp_path / "m")).parameters
    )


def test_a_damaged_split_model_says_which_file(tmp_path: Path) -> None:
    """A later part given for the first, a part that is missing, cut, or another one's."""
    first, second, third = write_split(tmp_path)
    with pytest.raises(InvalidModel, match=r"part 2 of 3; give the first: big-00001-of-00003\.gguf"):
        check(read_header(second))
    whole = third.read_bytes()
    third.write_bytes(whole[:-5000])
    with pytest.raises(InvalidModel, match=r"big-00003-of-00003\.gguf: .*incomplete"):
        check(read_header(first))
    third.write_bytes(second.read_bytes())
    with pytest.raises(InvalidModel, match="not part 3 of the model"):
        check(read_header(first))
    third.unlink()
    with pytest.raises(InvalidModel, match=r"missing beside it: big-00003-of-00003\.gguf"):
        check(read_header(first))
    third.write_bytes(whole)
    renamed = first.rename(tmp_path / "my model.gguf")
    with pytest.raises(InvalidModel, match="must keep its name"):
        check(read_header(renamed))


def test_a_split_model_with_tensors_missing_is_refused(tmp_path: Path) -> None:
    """The first file says how many there are."""
    first, _, _ = write_split(tmp_path)
    shard(1, 3, MODEL.tensors[:4], len(MODEL.tensors)).write(tmp_path / "big-00002-of-00003.gguf")
    with pytest.raises(InvalidModel, match="has 20 tensors and should have 21"):
        check(read_header(first))
