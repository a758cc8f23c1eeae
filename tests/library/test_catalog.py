"""The catalogue of models is data that the program can rely on."""

from itertools import pairwise

import pytest

from chatcli.errors import DataError
from chatcli.library.catalog import entries, find, find_repo, read_catalog
from chatcli.sampling import SamplingParams

ENTRY = """
[[chat]]
name = "one"
title = "One"
repo = "user/one"
tag = "Q4_K_M"
file = "one-Q4_K_M.gguf"
size = 1_000_000_000
license = "MIT"
year = 2025
context = 4096
good_for = "tests"
"""
EMBEDDING = ENTRY.replace("[[chat]]", "[[embedding]]").replace('"one"', '"two"') + "dimensions = 7\n"


def test_what_is_shipped_is_sound() -> None:
    """Every model of the shipped catalogue has what is needed to fetch it, to judge it and to use it."""
    shipped = entries()
    assert len([e for e in shipped if e.kind == "chat"]) >= 20
    for entry in shipped:
        assert entry.file.endswith(".gguf")
        assert entry.tag.lower() in entry.file.lower()
        assert entry.license
        assert entry.good_for
        for thinking in (None, True, False):
            SamplingParams(**entry.recommended(thinking=thinking))
        assert (entry.dimensions > 0) == (entry.kind == "embedding")


def test_chat_models_go_from_small_to_large() -> None:
    """The catalogue is read from top to bottom by people whose machine is small."""
    memory = [e.memory for e in entries() if e.kind == "chat"]
    assert all(later > 0.7 * earlier for earlier, later in pairwise(memory))


def test_names_are_found_in_any_case() -> None:
    """A name of the catalogue is found however it is written, and by repository and file."""
    found = find("Qwen3.5-4B")
    assert found is not None
    assert found.reference == "unsloth/Qwen3.5-4B-GGUF:Q4_K_M"
    assert find_repo("Unsloth/qwen3.5-4b-gguf", f"folder/{found.file}") == found
    assert find("nothing") is None
    assert find_repo(found.repo, "other.gguf") is None


def test_reasoning_has_its_own_recommendation() -> None:
    """Where the maker tells reasoning from answering at once, so does the catalogue."""
    entry = find("qwen3-0.6b")
    assert entry is not None
    assert entry.recommended(thinking=False)["temperature"] == 0.7
    assert entry.recommended(thinking=True)["temperature"] == 0.6
    assert entry.recommended(thinking=None)["temperature"] == 0.6
    without = find("llama-3.2-3b")
    assert without is not None
    assert without.recommended(thinking=True) == without.recommended(thinking=False)


def test_kinds_are_kept_apart() -> None:
    """An embedding model is known as one."""
    one, two = read_catalog(ENTRY + EMBEDDING)
    assert (one.kind, two.kind, two.dimensions) == ("chat", "embedding", 7)
    assert one.read_per_token == one.size


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[[chat]]", "[[chat"), "damaged"),
        (('license = "MIT"\n', ""), "license"),
        (('license = "MIT"', 'licence = "MIT"'), "licence"),
        (("size = 1_000_000_000", "size = 0"), "size"),
        (("size = 1_000_000_000", 'size = "big"'), "size"),
        (('name = "one"', 'name = "One"'), "lower case"),
        (('name = "one"', 'name = "two"'), "twice"),
        (('repo = "user/one"', 'repo = "one"'), "user/name"),
        (('tag = "Q4_K_M"', 'tag = "Q4_K_M"\nsampling = { temperature = -1 }'), "temperature"),
        (('tag = "Q4_K_M"', 'tag = "Q4_K_M"\nsampling = { heat = 1 }'), "heat"),
    ],
)
def test_damage_is_named(change: tuple[str, str], said: str) -> None:
    """A slip of whoever edits the catalogue is told with the entry and what is wrong with it."""
    with pytest.raises(DataError, match=said):
        read_catalog(ENTRY.replace(*change) + EMBEDDING)
