"""What a header tells about a file: the wrong kind, or incomplete; and what is left to the trial."""

from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.engine.gguf import check, read_header
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
    "architecture 7": (MODEL.with_key("general.architecture", U32, 7), "general.architecture is missing"),
}


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_files_that_are_no_models_are_named(tmp_path: Path, name: str) -> None:
    """GGUF holds other things than models, and people mix them up."""
    model, expected = OTHER_KINDS[name]
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
    assert (
        sum(part.parameters for part in check(first)) == read_header(MODEL.write(tmp_path / "m")).parameters
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
