"""No header may kill the program: what the check lets pass, llama.cpp loads or refuses, and lives."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from chatcli.engine.gguf import check, read_header
from chatcli.errors import InvalidModel
from tests.engine.gguf_files import tiny_model
from tests.engine.load_server import outcomes
from tests.engine.mutations import Mutation, all_mutations, key_mutations

_SAMPLE = 37  # every so manieth mutation in the default run


def _passed(mutations: Iterable[Mutation], folder: Path, names: list[str]) -> Iterator[Path]:
    """Write each mutation; of those that the check lets pass yield the path and keep the name."""
    for number, (name, model) in enumerate(mutations):
        path = model.write(folder / f"{number % 4}.gguf")
        try:
            check(read_header(path))
        except InvalidModel:
            continue
        names.append(name)
        yield path


def deaths(mutations: Iterable[Mutation], folder: Path) -> tuple[Counter[str], list[str]]:
    """Load what passes the check: how the loads ended, and what killed or hung its process."""
    names: list[str] = []
    counts: Counter[str] = Counter()
    killed = []
    for outcome in outcomes(_passed(mutations, folder, names)):
        counts[outcome["outcome"]] += 1
        if outcome["outcome"] not in ("ok", "error", "nonsense"):
            killed.append(f"{names[-1]}: {outcome}")
    return counts, killed


def test_a_sample_of_mutations_kills_nothing(tmp_path: Path) -> None:
    """Real loads in processes that may die. Of all 3,430 mutations 198 kill it when nothing is checked."""
    counts, killed = deaths(itertools.islice(all_mutations(tiny_model()), None, None, _SAMPLE), tmp_path)
    assert killed == []
    assert counts["ok"] > 10
    assert counts["error"] > 10


def test_without_the_check_mutations_do_kill(tmp_path: Path) -> None:
    """The test above can fail: these headers kill the process that loads them."""
    wanted = ("llama.block_count = type 4: '0'", "llama.attention.layer_norm_rms_epsilon = type 6: 'nan'")
    chosen = [(name, model) for name, model in key_mutations(tiny_model()) if name in wanted]
    assert len(chosen) == 2
    paths = [model.write(tmp_path / f"{i}.gguf") for i, (_, model) in enumerate(chosen)]
    assert [outcome["outcome"] for outcome in outcomes(paths)] == ["crashed", "crashed"]
    for path in paths:
        with pytest.raises(InvalidModel):
            check(read_header(path))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_no_mutation_kills(tmp_path: Path, architecture: str) -> None:
    """All of them, thousands."""
    counts, killed = deaths(all_mutations(tiny_model(architecture)), tmp_path)
    assert killed == []
    assert counts["ok"] > 500
