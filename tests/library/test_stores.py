"""Models on this disk are found wherever programs keep them, whatever else lies there."""

import json
import os
from pathlib import Path

import pytest

from chatcli.library.stores import Store, local_models
from chatcli.library.stores.local_model import renamed, shards_beside, split_stem
from tests.library.disks import gguf, in_hub_cache, in_ollama, places, put


def _named(root: Path, **variables: str) -> dict[str, Store]:
    return {m.name: m.store for m in local_models(places(root, **variables))}


def test_every_store_is_found(tmp_path: Path) -> None:
    """Ours, the hub's cache, llama.cpp's former one, LM Studio's and Ollama's, by the names people use."""
    put(tmp_path / "chatcli/models/mine.gguf")
    in_hub_cache(tmp_path / ".cache/huggingface/hub", "user/Model-GGUF", "Model-Q4_K_M.gguf")
    put(tmp_path / ".cache/llama.cpp/manifest=old=Repo-GGUF=latest.json", b"{}")
    put(tmp_path / ".cache/llama.cpp/old_Repo-GGUF_repo-q8_0.gguf")
    put(tmp_path / ".lmstudio/models/pub/Repo-GGUF/Repo-Q5_K_M.gguf")
    in_ollama(tmp_path / ".ollama/models", "library/llama3.2:1b")
    in_ollama(tmp_path / ".ollama/models", "hubber/Thing:Q6_K", host="hf.co")
    assert _named(tmp_path) == {
        "mine": Store.CHATCLI,
        "user/Model-GGUF:Q4_K_M": Store.HUB,
        "old/Repo-GGUF:Q8_0": Store.LLAMA_CPP,
        "pub/Repo-GGUF:Q5_K_M": Store.LM_STUDIO,
        "llama3.2:1b": Store.OLLAMA,
        "hf.co/hubber/Thing:Q6_K": Store.OLLAMA,
    }


@pytest.mark.parametrize("variable", ["LLAMA_CACHE", "HF_HUB_CACHE"])
def test_variables_move_the_hubs_cache(variable: str, tmp_path: Path) -> None:
    """The folders that the other tools' variables name are looked into."""
    in_hub_cache(tmp_path / "elsewhere", "u/r", "r-Q8_0.gguf")
    assert _named(tmp_path, **{variable: str(tmp_path / "elsewhere")}) == {"u/r:Q8_0": Store.HUB}
    assert _named(tmp_path) == {}


def test_other_homes(tmp_path: Path) -> None:
    """HF_HOME, OLLAMA_MODELS, LM Studio's pointer and its own setting move the rest."""
    in_hub_cache(tmp_path / "hf/hub", "u/r", "r-Q8_0.gguf")
    in_ollama(tmp_path / "ol", "library/m:latest")
    put(tmp_path / ".lmstudio-home-pointer", str(tmp_path / "lms").encode())
    put(tmp_path / "lms/settings.json", json.dumps({"downloadsFolder": str(tmp_path / "dl")}).encode())
    put(tmp_path / "dl/p/r2/x-Q4_0.gguf")
    found = _named(tmp_path, HF_HOME=str(tmp_path / "hf"), OLLAMA_MODELS=str(tmp_path / "ol"))
    assert set(found) == {"u/r:Q8_0", "m:latest", "p/r2:Q4_0"}


def test_settings_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    setting = json.dumps({"downloadsFolder": str(tmp_path / "elsewhere")})
    put(tmp_path / ".lmstudio/settings.json", b"\xef\xbb\xbf" + setting.encode())
    put(tmp_path / "elsewhere/p/r/x-Q4_0.gguf")
    assert [m.name for m in local_models(places(tmp_path))] == ["p/r:Q4_0"]


def test_stores_know_hashes(tmp_path: Path) -> None:
    """Names of blobs tell a file's sha256."""
    link = in_hub_cache(tmp_path / ".cache/huggingface/hub", "u/r", "r-Q8_0.gguf")
    blob = in_ollama(tmp_path / ".ollama/models", "library/m:latest")
    claims = {m.store: m.sha256 for m in local_models(places(tmp_path))}
    assert claims == {Store.HUB: link.resolve().name, Store.OLLAMA: blob.name.removeprefix("sha256-")}


def test_parts_are_put_together(tmp_path: Path) -> None:
    """A split model is one model, in order, and what is missing of it is named."""
    folder = tmp_path / "chatcli/models"
    for number in (3, 1):
        put(folder / f"big-Q8_0-0000{number}-of-00003.gguf")
    (model,) = local_models(places(tmp_path))
    assert model.name == "big-Q8_0"
    assert [f.name[-19:-5] for f in model.files] == ["00001-of-00003", "00003-of-00003"]
    assert model.path.name == "big-Q8_0-00001-of-00003.gguf"
    assert model.missing == ("big-Q8_0-00002-of-00003.gguf",)


def test_several_files_of_a_repository(tmp_path: Path) -> None:
    """Two files of one quantization go by their names; projectors and the like are no models."""
    cache = tmp_path / ".cache/huggingface/hub"
    for file in ("a-Q4_K_M.gguf", "b-Q4_K_M.gguf", "a-Q8_0.gguf", "mmproj-a-F16.gguf", "imatrix.gguf"):
        in_hub_cache(cache, "u/r", file)
    assert set(_named(tmp_path)) == {"u/r/a-Q4_K_M.gguf", "u/r/b-Q4_K_M.gguf", "u/r:Q8_0"}


def test_an_older_snapshot_counts_too(tmp_path: Path) -> None:
    """The snapshot main stands for wins; what only another one has is found as well."""
    cache = tmp_path / ".cache/huggingface/hub"
    in_hub_cache(cache, "u/r", "r-Q8_0.gguf", gguf("old"), commit="a" * 40)
    in_hub_cache(cache, "u/r", "r-Q4_0.gguf", commit="a" * 40)
    new = in_hub_cache(cache, "u/r", "r-Q8_0.gguf", gguf("new"), commit="b" * 40)
    found = {m.name: m for m in local_models(places(tmp_path))}
    assert set(found) == {"u/r:Q8_0", "u/r:Q4_0"}
    assert found["u/r:Q8_0"].path == new


def test_hostile_stores_are_no_error(tmp_path: Path) -> None:
    """Broken manifests, links that lead nowhere or in circles, files for folders, unreadable folders."""
    ollama = tmp_path / ".ollama/models"
    base = ollama / "manifests/registry.ollama.ai/library"
    for i, content in enumerate(
        (b"", b"[", b"[]", b"null", b"[" * 100_000, b'{"layers": 3}', b'{"layers": [3, {}]}', b"\xff\xfe")
    ):
        put(base / f"m{i}" / "latest", content)
    climbing = {"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../x"}]}
    put(base / "climb" / "latest", json.dumps(climbing).encode())
    (base / "self").symlink_to(base)
    hub = tmp_path / ".cache/huggingface/hub"
    snapshot = hub / "models--u--r/snapshots/c"
    snapshot.mkdir(parents=True)
    (snapshot / "gone-Q8_0.gguf").symlink_to(tmp_path / "nowhere")
    (snapshot / "loop").symlink_to(snapshot)
    (snapshot / "folder.gguf").mkdir()
    put(hub / "models--file", b"")
    put(hub / "models--u--x/snapshots", b"")
    put(hub / "models--u--y/refs/main", b"\xff\0" * 50)
    put(tmp_path / ".lmstudio/settings.json", b"[" * 100_000)
    put(tmp_path / ".lmstudio-home-pointer", b"\0\xff/no")
    closed = tmp_path / "chatcli/models"
    closed.mkdir(parents=True)
    closed.chmod(0)
    try:
        assert local_models(places(tmp_path)) == []
    finally:
        closed.chmod(0o700)


def test_ten_thousand_files(tmp_path: Path) -> None:
    """A folder full of files is listed without reading them."""
    folder = tmp_path / "chatcli/models"
    folder.mkdir(parents=True)
    for i in range(10_000):
        os.close(os.open(folder / f"m{i:05d}.gguf", os.O_CREAT))
    assert len(local_models(places(tmp_path))) == 10_000


@pytest.mark.parametrize("named", ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf", "m.gguf", "m"])
def test_a_split_model_by_any_of_its_names(named: str, tmp_path: Path) -> None:
    """Any part, and the name they share, lead to the first."""
    first = put(tmp_path / "m-00001-of-00002.gguf")
    second = put(tmp_path / "m-00002-of-00002.gguf")
    put(tmp_path / "m-other-00001-of-00002.gguf")
    assert shards_beside(tmp_path / named) == ((first, second), ())


def test_names_of_files() -> None:
    """Endings and numbers of parts belong to no name."""
    assert split_stem("a-Q4_K_M-00001-of-00003.gguf") == "a-Q4_K_M"
    assert split_stem("a.GGUF") == "a"
    assert renamed("a-00002-of-00003.gguf", "b") == "b-00002-of-00003.gguf"
    assert renamed("a.gguf", "b") == "b.gguf"
