"""Projectors: files that let a model see, read by us and by libmtmd."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcli.engine.gguf import check_projector, projector, read_header
from chatcli.engine.gguf.projector import text_width
from chatcli.engine.llama.load_options import LoadOptions
from chatcli.engine.llama.native import load
from chatcli.engine.trial.probe import probe
from chatcli.engine.trial.verdict import TrialOutcome
from chatcli.errors import InvalidModel
from tests.engine.gguf_files import BOOL, STRING, U32, tiny_model
from tests.engine.load_server import outcomes
from tests.engine.projector_files import write_projector
from tests.engine.projector_loading import opened, tokens
from tests.engine.projector_mutations import file_of, projector_mutations
from tests.engine.test_gguf_mutations import TRIALS
from tests.program import MODEL

WIDTH = 384  # of the bundled model


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("mlp", 16), ("qwen2vl", 12), ("qwen3vl", 12), ("pixtral", 47), ("gemma3", 1), ("gemma4v", 80)],
)
def test_written_projectors_are_real(kind: str, expected: int, tmp_path: Path) -> None:
    """libmtmd loads what the tests write, and makes tokens of a picture."""
    path = write_projector(tmp_path / "mmproj.gguf", width=WIDTH, kind=kind)
    with opened(path, MODEL) as context:
        assert context
        assert tokens(context, 100, 80) == expected


def test_libmtmd_says_why_where_its_log_is_kept(tmp_path: Path) -> None:
    """A projector of another model: the reason is among llama.cpp's own lines."""
    load().log.clear()
    with opened(write_projector(tmp_path / "mmproj.gguf", width=64), MODEL) as context:
        assert not context
    assert "mismatch between text model" in "\n".join(load().log.problems())


def test_the_header_tells_what_it_is(tmp_path: Path) -> None:
    """Kind, sizes, the text model's width and the largest picture, without any tensor data."""
    path = write_projector(tmp_path / "a.gguf", width=WIDTH)
    facts = projector(read_header(path))
    assert (facts.kind, facts.sees, facts.hears, facts.width) == ("mlp", True, False, WIDTH)
    assert (facts.image_size, facts.patch_size, facts.patches, facts.tokens) == (56, 14, 16, 16)
    assert 0 < path.stat().st_size - facts.weights < 8192
    any_size = projector(read_header(write_projector(tmp_path / "b.gguf", width=WIDTH, kind="qwen2vl")))
    assert (any_size.kind, any_size.merge, any_size.tokens) == ("qwen2vl_merger", 2, 4096)


@pytest.mark.parametrize(
    "kind", ["mlp", "qwen2vl", "qwen3vl", "pixtral", "gemma3", "gemma4v", "idefics3", "lfm2"]
)
def test_what_is_sane_passes(kind: str, tmp_path: Path) -> None:
    """With its own model, too."""
    header = read_header(write_projector(tmp_path / "a.gguf", width=WIDTH, kind=kind))
    assert check_projector(header, read_header(MODEL)).width == WIDTH


@pytest.mark.parametrize(
    ("key", "kind", "value", "said"),
    [
        ("general.architecture", STRING, "llama", "not a projector"),
        ("clip.has_vision_encoder", BOOL, 0, "no part for pictures"),
    ],
)
def test_other_files_are_refused(key: str, kind: int, value: object, said: str, tmp_path: Path) -> None:
    """One line with the file's name and the reason."""
    projector_file = file_of(write_projector(tmp_path / "a.gguf", width=WIDTH))
    changed = projector_file.with_key(key, kind, value).without_key("general.type")
    with pytest.raises(InvalidModel, match=rf"^b\.gguf: .*{said}") as refused:
        check_projector(read_header(changed.write(tmp_path / "b.gguf")))
    assert "\n" not in str(refused.value)


def test_a_projector_of_another_width_is_refused(tmp_path: Path) -> None:
    """As libmtmd does, and by the tensor it looks at, whatever projection_dim says."""
    header = read_header(write_projector(tmp_path / "a.gguf", width=512))
    with pytest.raises(InvalidModel, match=r"512 wide, and lkjsxclm-q8_0\.gguf reads tokens 384 wide"):
        check_projector(header, read_header(MODEL))


def test_only_the_kinds_own_number_merges_patches(tmp_path: Path) -> None:
    """LLaVA's kind reads none, though some files have one."""
    whole = file_of(write_projector(tmp_path / "a.gguf", width=WIDTH))
    path = whole.with_key("clip.vision.projector.scale_factor", U32, 2).write(tmp_path / "b.gguf")
    with opened(path, MODEL) as context:
        assert tokens(context, 100, 80) == projector(read_header(path)).tokens == 16


def test_stacked_features_count(tmp_path: Path) -> None:
    """A text model that reads features of further blocks side by side is so much wider."""
    model = tiny_model("qwen3vl").with_key("qwen3vl.n_deepstack_layers", U32, 3).write(tmp_path / "m.gguf")
    assert text_width(read_header(model)) == 4 * 64


def test_a_sample_of_mutations_kills_nothing(tmp_path: Path) -> None:
    """Of the 3,163 mutations a third kill the child that tries them; none of the others does harm."""
    counts, killed = _deaths("mlp", tmp_path, every=23)
    assert killed == []
    assert counts["ok"] > 10
    assert counts["crashed"] > 10


def test_a_death_is_a_sentence(tmp_path: Path) -> None:
    """These headers kill the process that loads them: it is the child, and we have one line of text."""
    whole = file_of(write_projector(tmp_path / "a.gguf", width=WIDTH))
    deadly = [whole.with_key("clip.vision.image_size", STRING, "x"), whole.without_tensor("mm.2.weight")]
    for number, file in enumerate(deadly):
        options = LoadOptions(projector=file.write(tmp_path / f"{number}.gguf"), use_extra_bufts=False)
        verdict = probe(MODEL, tmp_path / "verdicts.json", options)
        assert verdict.outcome is TrialOutcome.CRASHED
        assert verdict.reason.isprintable()


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "kind", ["mlp", "qwen2vl", "qwen3vl", "pixtral", "gemma3", "gemma4v", "idefics3", "lfm2"]
)
def test_no_mutation_kills(kind: str, tmp_path: Path) -> None:
    """All of them, thousands."""
    counts, killed = _deaths(kind, tmp_path)
    assert killed == []
    assert counts["ok"] > 300


def _deaths(kind: str, folder: Path, every: int = 1) -> tuple[Counter[str], list[str]]:
    """Try what passes the check, and use what passes the trial: how it ended, and what did harm."""
    whole = file_of(write_projector(folder / "whole.gguf", width=WIDTH, kind=kind))
    names: list[str] = []

    def passing() -> Iterator[Path]:
        mutations = itertools.islice(projector_mutations(whole), None, None, every)
        for number, (name, file) in enumerate(mutations):
            path = file.write(folder / f"{number % 4}.gguf")
            try:
                check_projector(read_header(path), read_header(MODEL))
            except InvalidModel:
                continue
            names.append(name)
            yield path

    counts: Counter[str] = Counter()
    killed = []
    for outcome in outcomes(passing(), MODEL):
        counts[outcome["outcome"]] += 1
        if outcome["outcome"] not in TRIALS:
            killed.append(f"{names[-1]}: {outcome}")
    return counts, killed
