"""Contenders: what the words after /compare and --contender mean."""

from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.errors import ModelNotFound, UsageError
from chatcli.session.arena.contenders import Contender, open_contender, parse_contender
from chatcli.settings import Settings
from tests.session.conftest import open_scripted

BASE = Contender(Settings(model="base"), {"temperature": 0.5, "seed": 42})


def parsed(*words: str) -> Contender:
    """What words mean beside ``BASE``."""
    return parse_contender(words, BASE, "/compare")


def test_no_words_are_the_base_with_another_seed() -> None:
    """Everything set goes on but the seed, so that two answers differ."""
    found = parsed()
    assert found.settings == BASE.settings
    assert found.sampling == {"temperature": 0.5}
    assert (found.weights, found.name) == (BASE.weights, "base")


def test_pairs_change_parameters_and_need_no_other_weights() -> None:
    """Names may be written as others write them; ``default`` takes the model's own."""
    found = parsed("temp=1.2", "top-k=7", "seed=1")
    assert found.sampling == {"temperature": 1.2, "top_k": 7, "seed": 1}
    assert found.weights == BASE.weights
    assert parsed("temperature=default").sampling == {}
    assert parsed("think=true").thinking is True


def test_another_model_or_another_way_of_loading_needs_other_weights() -> None:
    """A model's name may hold an equals sign."""
    assert parsed("other", "temperature=1").settings.model == "other"
    assert parsed("scripted:delay=0.5").settings.model == "scripted:delay=0.5"
    assert parsed("num_ctx=512").settings.ctx_size == 512
    assert len({parsed(*w).weights for w in ([], ["other"], ["ctx_size=512"], ["scripted:delay=0.5"])}) == 4


def test_an_adapter_is_told_from_a_model_by_its_header(tmp_path: Path) -> None:
    """A path to a GGUF file that says it is an adapter; or adapter=PATH, whatever the file says."""
    adapter, model = tmp_path / "a.gguf", tmp_path / "m.gguf"
    adapter.write_bytes(header({"general.type": "adapter"}))
    model.write_bytes(header({"general.type": "model"}))
    assert parsed(str(adapter), "scale=0.5").adapter == adapter
    assert parsed(str(adapter), "scale=0.5").scale == 0.5
    assert parsed(str(model)).settings.model == str(model)
    assert parsed(f"adapter={model}").adapter == model


def header(values: dict[str, str]) -> bytes:
    """A GGUF file without tensors."""

    def text(value: str) -> bytes:
        return len(value).to_bytes(8, "little") + value.encode()

    pairs = b"".join(text(k) + (8).to_bytes(4, "little") + text(v) for k, v in values.items())
    counts = (0).to_bytes(8, "little") + len(values).to_bytes(8, "little")
    return b"GGUF" + (3).to_bytes(4, "little") + counts + pairs


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["one", "two"], "one and two are both models"),
        (["temprature=1"], "did you mean temperature"),
        (["temperature=hot"], "must be a number"),
        (["temperature=-1"], "between 0 and 100"),
        (["ctx_size=1"], "at least 64"),
        (["scale=x"], "must be a number"),
        (["system=x"], "there is no setting 'system'"),
    ],
)
def test_nonsense_is_refused_in_one_line(words: list[str], said: str) -> None:
    """It says what is wrong and where."""
    with pytest.raises(UsageError, match=said) as error:
        parsed(*words)
    assert "\n" not in str(error.value)


def test_a_missing_adapter_is_named(tmp_path: Path) -> None:
    """Before anything is loaded."""
    with pytest.raises(ModelNotFound, match=r"no such adapter: .*none\.gguf"):
        parsed(f"adapter={tmp_path / 'none.gguf'}")


def test_only_gguf_models_take_an_adapter(tmp_path: Path) -> None:
    """The engine that was opened for nothing is freed, and the reason is said."""
    contender = replace(BASE, settings=Settings(model="scripted:"), adapter=tmp_path)
    loading = open_contender(contender, open_scripted)
    with pytest.raises(UsageError, match="takes no adapter"):
        loading()
    loading.close()
