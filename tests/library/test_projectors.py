"""The projector that lets a model see is found with it in every store, and chosen as the user says."""

import shutil
from pathlib import Path

import pytest

from chatcli.engine.gguf import read_header
from chatcli.errors import InvalidModel, ModelNotFound
from chatcli.library.catalog import find
from chatcli.library.names.aliases import Registry, decode_registry
from chatcli.library.names.finding import find_model
from chatcli.library.projector_choice import projector_of
from chatcli.library.stores import local_models
from chatcli.library.stores.projectors import certain_projectors
from chatcli.settings import Settings
from tests.engine.gguf_files import BOOL
from tests.engine.projector_files import write_projector
from tests.engine.projector_mutations import file_of
from tests.library.disks import gguf, in_hub_cache, in_ollama, places, put
from tests.library.hub_server import Repo
from tests.library.machine import Machine
from tests.program import MODEL


def _named(root: Path) -> dict[str, str | None]:
    """Model -> its projector's file name."""
    return {m.name: m.projector.name if m.projector else None for m in local_models(places(root))}


def test_the_hubs_cache(tmp_path: Path) -> None:
    """The one in the model's folder or the nearest above, of the closest bit width, of the same snapshot."""
    cache = tmp_path / ".cache/huggingface/hub"
    for file in ("V-Q4_K_M.gguf", "mmproj-F32.gguf", "mmproj-F16.gguf", "mmproj-BF16.gguf"):
        in_hub_cache(cache, "u/V-GGUF", file)
    for file in ("a/A-Q8_0.gguf", "a/mmproj-A.gguf", "b/B-Q6_K.gguf", "mmproj-all.gguf"):
        in_hub_cache(cache, "u/two", file)
    in_hub_cache(cache, "u/blind", "mmproj-F16.gguf", commit="a" * 40)
    in_hub_cache(cache, "u/blind", "blind-Q8_0.gguf", commit="b" * 40)
    assert _named(tmp_path) == {
        "u/V-GGUF:Q4_K_M": "mmproj-F16.gguf",
        "u/two:Q8_0": "mmproj-A.gguf",
        "u/two:Q6_K": "mmproj-all.gguf",
        "u/blind:Q8_0": None,
    }


def test_lm_studio_and_llama_cpps_former_cache(tmp_path: Path) -> None:
    """Beside the model in publisher/repo; by user and repo at the beginning of the name."""
    for file in (
        "p/See/See-Q4_0.gguf",
        "p/See/mmproj-x-f16.gguf",
        "p/Blind/B-Q4_0.gguf",
        "mmproj-loose.gguf",
    ):
        put(tmp_path / ".lmstudio/models" / file)
    for file in ("u_r_m-Q8_0.gguf", "u_r_mmproj-F16.gguf", "u_r2_m-q6_k.gguf", "u_r2_mmproj-F16.gguf"):
        put(tmp_path / ".cache/llama.cpp" / file)
    put(tmp_path / ".cache/llama.cpp/o_r_m-Q5_0.gguf")
    put(tmp_path / ".cache/llama.cpp/manifest=u=r=latest.json", b"{}")
    assert _named(tmp_path) == {
        "p/See:Q4_0": "mmproj-x-f16.gguf",
        "p/Blind:Q4_0": None,
        "u/r:Q8_0": "u_r_mmproj-F16.gguf",
        "u_r2_m-q6_k": "u_r2_mmproj-F16.gguf",
        "o_r_m-Q5_0": None,
    }


def test_ollama(tmp_path: Path) -> None:
    """The manifest names it; a blob that is not there is none."""
    in_ollama(tmp_path / ".ollama/models", "library/see:latest", projector=b"projector")
    in_ollama(tmp_path / ".ollama/models", "library/gone:latest", projector=b"gone").unlink()
    in_ollama(tmp_path / ".ollama/models", "library/blind:latest")
    found = {m.name: m.projector for m in local_models(places(tmp_path))}
    assert {name: projector is not None for name, projector in found.items()} == {
        "see:latest": True,
        "blind:latest": False,
    }
    assert found["see:latest"].read_bytes() == b"projector"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("models", "projectors", "expected"),
    [
        (["m-Q4_K_M.gguf", "n.gguf"], ["mmproj-m-F16.gguf"], {"m-Q4_K_M.gguf": "mmproj-m-F16.gguf"}),
        (["m.gguf", "n.gguf"], ["M.mmproj.gguf"], {"m.gguf": "M.mmproj.gguf"}),
        (
            ["m-1.5-Q8_0.gguf", "n.gguf"],
            ["m-1.5-mmproj-F16.gguf"],
            {"m-1.5-Q8_0.gguf": "m-1.5-mmproj-F16.gguf"},
        ),
        (
            ["m_q4_0-it.gguf", "n.gguf"],
            ["mmproj-m-it-bf16.gguf"],
            {"m_q4_0-it.gguf": "mmproj-m-it-bf16.gguf"},
        ),
        (["m-UD-Q4_K_XL.gguf", "n.gguf"], ["mmproj-m-F16.gguf"], {"m-UD-Q4_K_XL.gguf": "mmproj-m-F16.gguf"}),
        (
            ["m-Q4_0-00001-of-00002.gguf", "m-Q4_0-00002-of-00002.gguf"],
            ["mmproj-model-f16.gguf"],
            dict.fromkeys(
                ["m-Q4_0-00001-of-00002.gguf", "m-Q4_0-00002-of-00002.gguf"], "mmproj-model-f16.gguf"
            ),
        ),
        (
            ["m-Q4_0.gguf", "m-Q8_0.gguf"],
            ["mmproj-F32.gguf", "mmproj-F16.gguf", "mmproj-Q8_0.gguf"],
            dict.fromkeys(["m-Q4_0.gguf", "m-Q8_0.gguf"], "mmproj-Q8_0.gguf"),
        ),
        (["m.gguf", "n.gguf"], ["mmproj-F16.gguf"], {}),
        (["m.gguf"], ["mmproj-F16.gguf", "mmproj-other.gguf"], {}),
        (["m.gguf"], [], {}),
    ],
)
def test_in_a_folder_only_what_is_certain(
    models: list[str], projectors: list[str], expected: dict[str, str]
) -> None:
    """A name that carries the model's, or one projector beside one model; in doubt none."""
    assert certain_projectors(models, projectors) == expected


def test_our_own_folder_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the rule above; a path into a snapshot has the repository's, even where nobody knows that cache."""
    for file in ("a-Q4_0.gguf", "mmproj-a.gguf", "b.gguf"):
        put(tmp_path / "chatcli/models" / file)
    assert _named(tmp_path) == {"a-Q4_0": "mmproj-a.gguf", "b": None}
    put(tmp_path / "x/own.gguf")
    mine = put(tmp_path / "x/mmproj-F16.gguf")
    monkeypatch.chdir(tmp_path)
    for name in (str(tmp_path / "x/own.gguf"), "x/own.gguf"):
        assert find_model(name, places(tmp_path)).projector == mine
    far = in_hub_cache(tmp_path / "disk2", "u/r", "q/r-Q4_0.gguf")
    in_hub_cache(tmp_path / "disk2", "u/r", "r-Q8_0.gguf")
    projector = in_hub_cache(tmp_path / "disk2", "u/r", "mmproj-F16.gguf")
    assert find_model(str(far), places(tmp_path)).projector == projector


def test_a_registered_model_has_what_was_said(tmp_path: Path) -> None:
    """Else what certainly belongs; with the name it is forgotten."""
    file, said = put(tmp_path / "w/m.gguf"), put(tmp_path / "y/other.gguf")
    registry = Registry().with_file("own", file, said).with_file("plain", put(tmp_path / "x/m.gguf"))
    again = decode_registry(registry.encode(), "r")
    assert again == registry
    assert registry.without("own").projectors == {}
    assert registry.with_file("own", file).projectors == {}
    put(places(tmp_path).registry, registry.encode())
    beside = put(tmp_path / "x/mmproj-m.gguf")
    assert find_model("own", places(tmp_path)).projector == said
    assert find_model("plain", places(tmp_path)).projector == beside


@pytest.mark.parametrize("name", ["u/r", "u/r:Q4_K_M", "hf:u/r", "u/r/m-Q4_K_M.gguf", "a path"])
def test_what_was_pulled_is_found(name: str, machine: Machine) -> None:
    """The projector that came with a model is its own afterwards, however the model is named."""
    machine.hub.repos["u/r"] = Repo({"m-Q4_K_M.gguf": gguf(), "mmproj-F16.gguf": gguf("p"), "x.txt": b""})
    pulled = machine.pull("u/r")
    where = places(machine.root.parent, HF_HUB_CACHE=str(machine.root))
    found = find_model(str(pulled.path) if name == "a path" else name, where)
    assert (found.path, found.projector) == (pulled.files[0].path, pulled.files[1].path)


def test_a_catalogues_model_too(tmp_path: Path) -> None:
    """By its short name."""
    entry = find("qwen3.5-0.8b")
    assert entry is not None
    for file in (entry.file, "mmproj-BF16.gguf"):
        in_hub_cache(tmp_path / ".cache/huggingface/hub", entry.repo, file)
    assert find_model(entry.name, places(tmp_path)).projector is not None


@pytest.fixture
def seeing(tmp_path: Path) -> Path:
    """A folder with the bundled model's file and a projector for it."""
    folder = tmp_path / "seeing"
    folder.mkdir()
    shutil.copy(MODEL, folder / "m.gguf")
    write_projector(folder / "mmproj-m.gguf", width=384)
    return folder


def _chosen(folder: Path, setting: str, told: list[str]) -> str | None:
    found = find_model(str(folder / "m.gguf"), places(folder))
    header = projector_of(found, Settings(projector=setting), read_header(found.path), told.append)
    return header.path.name if header else None


def test_auto_none_and_a_file(seeing: Path) -> None:
    """What was found, nothing, or what is named."""
    told: list[str] = []
    other = write_projector(seeing / "else.gguf", width=384, kind="qwen2vl")
    assert _chosen(seeing, "auto", told) == "mmproj-m.gguf"
    assert _chosen(seeing, "none", told) is None
    assert _chosen(seeing, str(other), told) == "else.gguf"
    (seeing / "mmproj-m.gguf").unlink()
    assert _chosen(seeing, "auto", told) is None
    assert told == []


def test_a_file_that_is_named_must_be_one(seeing: Path) -> None:
    """Not there, no projector, or another model's: one line."""
    for name, kind, said in (
        (str(seeing / "no.gguf"), ModelNotFound, "no projector at"),
        (str(seeing), ModelNotFound, "no projector at"),
        ("~nobody-at-all/x", ModelNotFound, "no projector at"),
        ("a\0b", ModelNotFound, "no projector at"),
        (str(MODEL), InvalidModel, "not a projector"),
        (str(write_projector(seeing / "wide.gguf", width=512)), InvalidModel, "512 wide"),
    ):
        with pytest.raises(kind, match=said) as refused:
            _chosen(seeing, name, [])
        assert "\n" not in str(refused.value)


def test_one_that_was_found_and_cannot_be_used_is_told(seeing: Path) -> None:
    """Text is read without it; a file for sounds alone is nothing to tell."""
    path = seeing / "mmproj-m.gguf"
    whole = path.read_bytes()
    told: list[str] = []
    path.write_bytes(whole[: len(whole) // 2])
    assert _chosen(seeing, "auto", told) is None
    assert len(told) == 1
    assert "it is incomplete" in told[0]
    path.write_bytes(whole)
    hears = file_of(path).with_key("clip.has_vision_encoder", BOOL, 0)
    hears.with_key("clip.has_audio_encoder", BOOL, 1).write(path)
    assert _chosen(seeing, "auto", told) is None
    assert len(told) == 1
