"""Saved states: what comes back is what was read, and nothing that is not one gets near llama.cpp."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.chat.message import assistant, user
from chatcli.engine.gguf.header import split_files
from chatcli.engine.llama.engine import LlamaEngine
from chatcli.engine.llama.state import pack, unpack
from chatcli.engine.scripted.engine import ScriptedEngine
from chatcli.sampling import SamplingParams
from tests.engine.answers import ask
from tests.engine.conftest import OPTIONS

LETTERS = SamplingParams(seed=1, max_tokens=8, grammar="root ::= [a-z]+")
GREEDY = SamplingParams(temperature=0.0, max_tokens=12)
FIRST = user("hello, what is it that you can do for me today?")


@pytest.fixture
def engine(tiny_llama_path: Path) -> Iterator[LlamaEngine]:
    """An engine that has read nothing yet."""
    with LlamaEngine.open(tiny_llama_path, OPTIONS) as engine:
        yield engine


@pytest.mark.parametrize("architecture", ["llama", "mamba", "lfm2"])
def test_a_resumed_chat_goes_on_as_one_that_never_ended(
    architecture: str, request: pytest.FixtureRequest
) -> None:
    """The next turn decodes the same tokens, says the same words, and so does regenerating it."""
    path: Path = request.getfixturevalue(f"tiny_{architecture}_path")
    with LlamaEngine.open(path, OPTIONS) as engine:
        chat = [FIRST]
        chat += [assistant(ask(engine, chat, LETTERS).text), user("and then?")]
        blob = engine.save_state()
        assert blob is not None
        kept = bytes(blob)
        without_end = [ask(engine, chat, GREEDY), ask(engine, chat, GREEDY)]
    with LlamaEngine.open(path, OPTIONS) as engine:
        assert engine.load_state(kept)
        resumed = [ask(engine, chat, GREEDY), ask(engine, chat, GREEDY)]
    assert [a.text for a in resumed] == [a.text for a in without_end]
    assert [a.counts for a in resumed] == [a.counts for a in without_end]
    assert resumed[0].usage.cached_tokens > 50
    assert resumed[1].usage.decoded_tokens == 1


def test_an_empty_memory_has_no_state(engine: LlamaEngine) -> None:
    """Nothing was read, so there is nothing to save."""
    assert engine.save_state() is None


def test_another_chat_gains_nothing_from_a_state_and_loses_nothing(engine: LlamaEngine) -> None:
    """A state of other words is cut where they differ: the answer is that of an empty memory."""
    ask(engine, [FIRST], LETTERS)
    blob = engine.save_state()
    assert blob is not None
    cold = ask(engine, [user("What else?")], GREEDY)
    assert engine.load_state(blob)
    warm = ask(engine, [user("What else?")], GREEDY)
    assert warm.text == cold.text
    assert warm.counts == cold.counts


def test_other_conditions_are_refused(engine: LlamaEngine, tiny_llama_path: Path, tmp_path: Path) -> None:
    """Another context size, KV type or model file: not taken, and what is remembered stays."""
    ask(engine, [FIRST], LETTERS)
    blob = engine.save_state()
    assert blob is not None
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(tiny_llama_path.read_bytes())  # the same bytes, but who knows: another time
    others = [
        (tiny_llama_path, replace(OPTIONS, context_size=512)),
        (tiny_llama_path, replace(OPTIONS, kv_type_k="f32")),
        (copy, OPTIONS),
    ]
    for path, options in others:
        with LlamaEngine.open(path, options) as other:
            ask(other, [user("hi")], LETTERS)
            assert not other.load_state(blob)
            assert ask(other, [user("hi")], LETTERS).usage.decoded_tokens == 1
    with LlamaEngine.open(tiny_llama_path, replace(OPTIONS, threads=2)) as same:
        assert same.load_state(blob)


def test_no_damaged_blob_is_taken(engine: LlamaEngine) -> None:
    """Cut anywhere, one bit changed anywhere, empty, noise: refused, and the memory is as before."""
    ask(engine, [FIRST], LETTERS)
    blob = engine.save_state()
    assert blob is not None
    whole = bytes(blob)
    places = [*range(400), *range(400, len(whole), 9973), len(whole) - 1]
    for place in places:
        assert not engine.load_state(whole[:place]), place
        assert not engine.load_state(whole[:place] + bytes([whole[place] ^ 64]) + whole[place + 1 :]), place
    assert not engine.load_state(whole + b"\0")
    assert not engine.load_state(bytes(len(whole)))
    assert ask(engine, [FIRST], LETTERS).usage.decoded_tokens == 1
    assert engine.load_state(whole)


def test_a_blob_that_proves_itself_but_lies_is_refused_by_what_llama_says(engine: LlamaEngine) -> None:
    """With a valid checksum: too many tokens, ids beyond the vocabulary, another count than the state's,
    noise in the state's place. The memory is empty or as before, and the engine answers."""
    first = ask(engine, [FIRST], LETTERS)
    blob = engine.save_state()
    assert blob is not None
    conditions, most = engine.state_conditions, engine.context_size
    state = unpack(blob, conditions, tokens=most, vocabulary=10**6)
    assert state is not None
    data = bytes(state.data)

    def made(ids: list[int], data: bytes) -> memoryview:
        def fill(room: memoryview) -> bool:
            room[:] = data
            return True

        blob = pack(conditions, ids, range(len(ids)), [False] * len(ids), len(data), fill)
        assert blob is not None
        return blob

    count = len(state.ids)
    lies = [
        made([1] * (most + 1), data),
        made([10**6] * count, data),
        made([-1] * count, data),
        made(state.ids[:-1], data),
        made([*state.ids, 1], data),
        made(state.ids, data[: len(data) // 2]),
        made(state.ids, bytes(len(data))),
        made(state.ids, data + bytes(8)),
        made(state.ids, b"\xff" * len(data)),
        made(state.ids, data[:8] + b"\xff" * 40 + data[48:]),
        made(state.ids, b""),
    ]
    for lie in lies:
        assert not engine.load_state(lie)
        assert ask(engine, [FIRST], LETTERS).text == first.text


def test_the_adapter_is_a_condition(engine: LlamaEngine) -> None:
    """Detaching clears the memory and gives the model's own conditions back."""
    before = engine.state_conditions
    ask(engine, [FIRST], LETTERS)
    engine.set_adapter(None)
    assert engine.state_conditions == before
    assert engine.save_state() is None


def test_the_files_of_a_split_model_are_found_by_name(tmp_path: Path) -> None:
    """All shards that are there, in order; a file of any other name is alone."""
    names = ["a[1]-00001-of-00003.gguf", "a[1]-00002-of-00003.gguf", "a[1]-00003-of-00003.gguf"]
    for name in (*names, "b-00001-of-00003.gguf", "a.gguf"):
        (tmp_path / name).touch()
    assert [path.name for path in split_files(tmp_path / names[0])] == names
    assert split_files(tmp_path / "a.gguf") == [tmp_path / "a.gguf"]


def test_the_scripted_engine_remembers_too() -> None:
    """Its state is the pieces it holds; nonsense is refused."""
    chat = [user("one two three")]
    with ScriptedEngine() as engine:
        chat += [assistant(ask(engine, chat, SamplingParams(seed=1)).text), user("four")]
        blob = engine.save_state()
        assert blob is not None
        expected = ask(engine, chat, SamplingParams(seed=1)).usage
    with ScriptedEngine() as engine:
        assert engine.save_state() is None
        for nonsense in (b"", b"{", b"[1]", b"\xff", b"[[1]]"):
            assert not engine.load_state(nonsense)
        assert engine.load_state(blob)
        assert ask(engine, chat, SamplingParams(seed=1)).usage == expected
