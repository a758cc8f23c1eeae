"""Removing a model frees what was its own, and nothing else."""

from pathlib import Path

import pytest

from chatcli.errors import UsageError
from chatcli.library.names.finding import find_model
from chatcli.library.removal import plan_removal, remove
from chatcli.library.stores import LocalModel, local_models
from tests.library.disks import gguf, in_hub_cache, in_ollama, places, put


def _models(root: Path) -> dict[str, LocalModel]:
    return {m.name: m for m in local_models(places(root))}


def _blobs(cache: Path) -> list[int]:
    """Their sizes."""
    return [blob.stat().st_size for blob in cache.glob("models--*/blobs/*")]


def test_our_own(tmp_path: Path) -> None:
    """All parts go; the size is what is free again."""
    for number in (1, 2):
        put(tmp_path / f"chatcli/models/m-0000{number}-of-00002.gguf", b"x" * 100)
    keep = put(tmp_path / "chatcli/models/n.gguf")
    models = _models(tmp_path)
    plan = plan_removal(models["m"], list(models.values()), foreign=False)
    remove(plan)
    assert plan.freed == 200
    assert list(keep.parent.iterdir()) == [keep]


def test_a_blob_goes_with_its_last_link(tmp_path: Path) -> None:
    """In a cache of the hub all snapshots' links to the file go, and the blob if nobody else needs it."""
    cache = tmp_path / ".cache/huggingface/hub"
    old = in_hub_cache(cache, "u/r", "r-Q8_0.gguf", gguf("a"), commit="a" * 40)
    new = in_hub_cache(cache, "u/r", "r-Q8_0.gguf", gguf("a"), commit="b" * 40)
    other = in_hub_cache(cache, "u/r", "copy-Q4_0.gguf", gguf("a"), commit="b" * 40)
    models = _models(tmp_path)
    first = plan_removal(models["u/r:Q8_0"], list(models.values()), foreign=False)
    assert first.freed == 0
    remove(first)
    assert not old.is_symlink()
    assert not new.is_symlink()
    assert other.exists()
    models = _models(tmp_path)
    last = plan_removal(models["u/r:Q4_0"], list(models.values()), foreign=False)
    assert last.freed == len(gguf("a"))
    remove(last)
    assert list(cache.iterdir()) == []


def test_a_repository_of_which_something_is_left_stays(tmp_path: Path) -> None:
    """Whatever file it is; huggingface_hub looks for the commits that the refs name."""
    cache = tmp_path / ".cache/huggingface/hub"
    in_hub_cache(cache, "u/r", "r-Q8_0.gguf", gguf("a"))
    readme = in_hub_cache(cache, "u/r", "README.md", b"#", commit="b" * 40)
    models = _models(tmp_path)
    remove(plan_removal(models["u/r:Q8_0"], list(models.values()), foreign=False))
    assert readme.read_bytes() == b"#"
    assert (cache / "models--u--r/snapshots" / ("c" * 40)).is_dir()


def test_former_versions_go_too(tmp_path: Path) -> None:
    """No list shows them; one that is named by its revision goes alone."""
    cache = tmp_path / ".cache/huggingface/hub"
    for commit, content in (("a" * 40, gguf("old")), ("b" * 40, gguf("older")), ("c" * 40, gguf("new"))):
        in_hub_cache(cache, "u/r", "r-Q8_0.gguf", content, commit=commit)
    where = places(tmp_path)
    for name, left in (("u/r@" + "a" * 40, 2), ("u/r", 0)):
        model = find_model(name, where).model
        assert model is not None
        before = _blobs(cache)
        removal = plan_removal(model, local_models(where), foreign=False)
        remove(removal)
        assert len(_blobs(cache)) == left
        assert removal.freed == sum(before) - sum(_blobs(cache))
    assert local_models(where) == []


def test_other_programs_files_need_a_word(tmp_path: Path) -> None:
    """LM Studio's go with --foreign only; Ollama's never, since it keeps more than the file."""
    file = put(tmp_path / ".lmstudio/models/p/r/x-Q4_0.gguf")
    in_ollama(tmp_path / ".ollama/models", "library/m:latest")
    models = _models(tmp_path)
    with pytest.raises(UsageError, match="--foreign"):
        plan_removal(models["p/r:Q4_0"], [], foreign=False)
    with pytest.raises(UsageError, match="ollama rm m:latest"):
        plan_removal(models["m:latest"], [], foreign=True)
    remove(plan_removal(models["p/r:Q4_0"], [], foreign=True))
    assert not file.exists()


def test_links_of_ours_to_elsewhere(tmp_path: Path) -> None:
    """A link in our folder goes, and what it leads to stays."""
    target = put(tmp_path / "big.gguf")
    link = tmp_path / "chatcli/models/l.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    models = _models(tmp_path)
    plan = plan_removal(models["l"], list(models.values()), foreign=False)
    remove(plan)
    assert plan.freed == 0
    assert target.exists()
    assert not link.is_symlink()


def test_a_projector_stays_for_whoever_needs_it(tmp_path: Path) -> None:
    """An older snapshot's model keeps that snapshot's, though the newest one's of that name goes."""
    cache = tmp_path / ".cache/huggingface/hub"
    in_hub_cache(cache, "u/r", "r-Q4_0.gguf", commit="a" * 40)
    old = in_hub_cache(cache, "u/r", "mmproj-F16.gguf", b"old", commit="a" * 40)
    in_hub_cache(cache, "u/r", "r-Q8_0.gguf", commit="b" * 40)
    new = in_hub_cache(cache, "u/r", "mmproj-F16.gguf", b"newer", commit="b" * 40)
    models = _models(tmp_path)
    assert (models["u/r:Q4_0"].projector, models["u/r:Q8_0"].projector) == (old, new)
    plan = plan_removal(models["u/r:Q8_0"], list(models.values()), foreign=False)
    remove(plan)
    assert plan.freed == len(b"newer") + models["u/r:Q8_0"].size
    assert not new.is_symlink()
    assert old.read_bytes() == b"old"
    models = _models(tmp_path)
    remove(plan_removal(models["u/r:Q4_0"], list(models.values()), foreign=False))
    assert list(cache.iterdir()) == []
