"""No header may kill the program: the trial child dies instead, and what the trial lets pass can be used."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from chatcli.engine.gguf import check, read_header
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.trial.probe import probe
from chatcli.errors import InvalidModel, ModelError
from tests.engine.gguf_files import tiny_model
from tests.engine.load_server import outcomes
from tests.engine.mutations import Mutation, all_mutations, key_mutations

_SAMPLE = 37  # every so manieth mutation in the default run
#: How a trial may end; whatever begins with ``used`` was let pass and did harm.
TRIALS = ("ok", "error", "nonsense", "crashed", "hung")


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
    """Try what passes the check, and use what passes the trial: how it ended, and what did harm."""
    names: list[str] = []
    counts: Counter[str] = Counter()
    killed = []
    for outcome in outcomes(_passed(mutations, folder, names)):
        counts[outcome["outcome"]] += 1
        if outcome["outcome"] not in TRIALS:
            killed.append(f"{names[-1]}: {outcome}")
    return counts, killed


def test_a_sample_of_mutations_kills_nothing(tmp_path: Path) -> None:
    """Of all 3,430 mutations about 200 kill the child that tries them, and none of the others does harm."""
    counts, killed = deaths(itertools.islice(all_mutations(tiny_model()), None, None, _SAMPLE), tmp_path)
    assert killed == []
    assert counts["ok"] > 10
    assert counts["error"] > 10
    assert counts["crashed"] > 0


def test_a_death_is_a_sentence(tmp_path: Path) -> None:
    """These headers kill the process that loads them: it is the child, and we have one line of text."""
    wanted = ("llama.block_count = type 4: '0'", "llama.attention.layer_norm_rms_epsilon = type 6: 'nan'")
    chosen = [(name, model) for name, model in key_mutations(tiny_model()) if name in wanted]
    assert len(chosen) == 2
    for number, (_, model) in enumerate(chosen):
        path = model.write(tmp_path / f"{number}.gguf")
        verdict = probe(path, tmp_path / "verdicts.json", LoadOptions(use_extra_bufts=False))
        with pytest.raises(ModelError, match=rf"^{number}\.gguf: llama\.cpp crashed on a trial load") as told:
            verdict.raise_for_failure()
        assert str(told.value).isprintable()


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_no_mutation_kills(tmp_path: Path, architecture: str) -> None:
    """All of them, thousands."""
    counts, killed = deaths(all_mutations(tiny_model(architecture)), tmp_path)
    assert killed == []
    assert counts["ok"] > 500
