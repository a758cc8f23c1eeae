"""Whatever a user calls a model leads to its file, or to one line that says what to do."""

from pathlib import Path

import pytest

from chatcli.errors import ChatcliError, DataError, ModelNotFound
from chatcli.library.catalog import bundled_model, find
from chatcli.library.names.aliases import Registry
from chatcli.library.names.finding import find_model, known_models, locate
from tests.library.disks import gguf, in_hub_cache, in_ollama, places, put


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk with a model in every store."""
    put(tmp_path / "chatcli/models/mine.gguf")
    in_hub_cache(tmp_path / ".cache/huggingface/hub", "user/Model-GGUF", "Model-Q4_K_M.gguf")
    in_hub_cache(tmp_path / ".cache/huggingface/hub", "user/Model-GGUF", "Model-Q6_K.gguf", gguf("six!!"))
    put(tmp_path / ".lmstudio/models/pub/Repo-1B-GGUF/Repo-1B-Q5_K_M.gguf")
    in_ollama(tmp_path / ".ollama/models", "library/llama3.2:1b")
    in_ollama(tmp_path / ".ollama/models", "library/phi4:latest")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mine", "mine.gguf"),
        ("mine.gguf", "mine.gguf"),
        ("MINE", "mine.gguf"),
        ("user/Model-GGUF", "Model-Q4_K_M.gguf"),
        ("user/Model-GGUF:Q6_K", "Model-Q6_K.gguf"),
        ("user/model-gguf:q6_k", "Model-Q6_K.gguf"),
        ("hf:user/Model-GGUF:Q6_K", "Model-Q6_K.gguf"),
        ("hf.co/user/Model-GGUF", "Model-Q4_K_M.gguf"),
        ("user/Model-GGUF/Model-Q6_K.gguf", "Model-Q6_K.gguf"),
        ("Model-Q6_K", "Model-Q6_K.gguf"),
        ("pub/Repo-1B-GGUF", "Repo-1B-Q5_K_M.gguf"),
        ("pub/Repo-1B-GGUF/Repo-1B-Q5_K_M.gguf", "Repo-1B-Q5_K_M.gguf"),
        ("repo-1b", "Repo-1B-Q5_K_M.gguf"),
        ("repo-1b@q5_k_m", "Repo-1B-Q5_K_M.gguf"),
        ("pub/repo-1b-gguf@q5_k_m", "Repo-1B-Q5_K_M.gguf"),
    ],
)
def test_names_lead_to_files(name: str, file: str, disk: Path) -> None:
    """The hub's spellings, LM Studio's short and long names, a file's name; the case does not matter."""
    found = find_model(name, places(disk))
    assert (found.path.name, found.name) == (file, name)


@pytest.mark.parametrize("name", ["llama3.2:1b", "ollama:llama3.2:1b", "phi4", "phi4:latest", "ollama:phi4"])
def test_ollamas_names(name: str, disk: Path) -> None:
    """As Ollama writes them; latest goes without saying."""
    assert find_model(name, places(disk)).path.name.startswith("sha256-")


def test_revisions_of_a_repository(disk: Path) -> None:
    """A branch, tag or commit is that one's file; one that is not here is not silently another."""
    cache = disk / ".cache/huggingface/hub"
    old, where = gguf("old"), places(disk)
    in_hub_cache(cache, "user/Model-GGUF", "Model-Q4_K_M.gguf", old, commit="a" * 40)
    folder = cache / "models--user--Model-GGUF"
    put(folder / "refs/refs/pr/1", b"a" * 40)
    put(folder / "refs/main", b"c" * 40)
    for name in ("user/Model-GGUF", "user/Model-GGUF@main", "user/Model-GGUF@" + "c" * 40):
        assert find_model(name, where).path.read_bytes() == gguf("Model-Q4_K_M.gguf")
    for name in ("user/Model-GGUF@" + "a" * 40, "USER/model-gguf@refs/pr/1:q4_k_m"):
        assert find_model(name, where).path.read_bytes() == old
    for name in ("user/Model-GGUF@v2", "user/Model-GGUF@refs/pr/1:Q6_K"):
        with pytest.raises(ModelNotFound, match=f"chatcli pull {name}"):
            find_model(name, where)


def test_a_tag_that_is_no_quantization(disk: Path) -> None:
    """A tag means here what it means to ``chatcli pull``: also a whole part of the file's name."""
    cache = disk / ".cache/huggingface/hub"
    for variant in ("small", "large"):
        in_hub_cache(cache, "user/Two-GGUF", f"{variant}-Q4_K_M.gguf")
    assert find_model("user/Two-GGUF:large", places(disk)).path.name == "large-Q4_K_M.gguf"
    assert find_model("user/Two-GGUF:small-Q4_K_M", places(disk)).path.name == "small-Q4_K_M.gguf"
    with pytest.raises(ModelNotFound, match="could be any of"):
        find_model("user/Two-GGUF:Q4_K_M", places(disk))


def test_paths(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is a path, also of a split model by any part; a folder and a missing part are told."""
    monkeypatch.chdir(disk)
    file = put(disk / "here.gguf")
    assert find_model("here.gguf", places(disk)).path.resolve() == file
    assert find_model(str(file), places(disk)).name == "here"
    first = put(disk / "s/big-00001-of-00002.gguf")
    with pytest.raises(ModelNotFound, match=r"big-00002-of-00002\.gguf"):
        locate(str(first), places(disk))
    put(disk / "s/big-00002-of-00002.gguf")
    for name in (str(first), "s/big-00002-of-00002.gguf", "s/big.gguf", "s/big"):
        assert locate(name, places(disk)).resolve() == first
    with pytest.raises(ModelNotFound, match="folder"):
        locate(str(disk / "s"), places(disk))


def test_a_model_of_the_catalogue(disk: Path) -> None:
    """It is found once it is here, in whatever store, with its entry; before, a line says how to get it."""
    entry = find("qwen3.5-0.8b")
    assert entry is not None
    with pytest.raises(ModelNotFound, match=r"chatcli pull qwen3.5-0.8b` fetches it \(530.0 MB\)"):
        locate("qwen3.5-0.8b", places(disk))
    link = in_hub_cache(disk / ".cache/huggingface/hub", entry.repo, entry.file)
    found = find_model("Qwen3.5-0.8B", places(disk))
    assert (found.path, found.entry, found.name) == (link, entry, "Qwen3.5-0.8B")
    assert find_model(entry.reference, places(disk)).entry == entry
    assert find_model(str(link), places(disk)).entry == entry
    assert find_model("mine", places(disk)).entry is None


def test_the_same_file_twice_is_no_question(disk: Path) -> None:
    """Equal models in two stores: the first store's; different ones of one name: which are there."""
    put(disk / ".lmstudio/models/user/Model-GGUF/Model-Q6_K.gguf", gguf("six!!"))
    assert find_model("Model-Q6_K", places(disk)).path.is_relative_to(disk / ".cache")
    put(disk / ".lmstudio/models/other/Thing/Model-Q6_K.gguf", gguf("another altogether"))
    with pytest.raises(ModelNotFound, match=r"could be any of.*other/Thing:Q6_K"):
        locate("Model-Q6_K", places(disk))
    assert find_model("other/Thing:Q6_K", places(disk)).path.parent.name == "Thing"


def test_several_quantizations_without_a_preferred_one(disk: Path) -> None:
    """A repository without Q4_K_M and Q8_0 here: the candidates are listed."""
    for tag in ("Q5_K_M", "Q6_K"):
        in_hub_cache(disk / ".cache/huggingface/hub", "u/two", f"two-{tag}.gguf", gguf(tag * 2 + tag[-1]))
    with pytest.raises(ModelNotFound, match=r"u/two:Q5_K_M.*u/two:Q6_K"):
        locate("u/two", places(disk))


def test_aliases_and_registered_files(disk: Path) -> None:
    """They go by the user's names, which stay what is shown."""
    where = places(disk)
    registry = Registry().with_alias("daily", "user/Model-GGUF:Q6_K").with_file("own", put(disk / "x.gguf"))
    put(where.registry, registry.with_alias("b", "lkjsxclm").encode())
    assert find_model("daily", where).path.name == "Model-Q6_K.gguf"
    assert find_model("daily", where).name == "daily"
    assert find_model("DAILY", where).path.name == "Model-Q6_K.gguf"
    assert locate("LKJSXCLM", where) == bundled_model()
    assert find_model("own", where).path == disk / "x.gguf"
    assert locate("b", where) == bundled_model()
    assert {"daily", "own", "mine", "llama3.2:1b", "lkjsxclm"} <= set(known_models(where))
    put(where.registry, registry.with_alias("b", "a").with_alias("a", "daily").encode())
    assert find_model("b", where).path.name == "Model-Q6_K.gguf"
    put(where.registry, registry.with_alias("b", "a").with_alias("a", "b").encode())
    with pytest.raises(ModelNotFound):
        locate("a", where)
    put(where.registry, b'{"files": {"x": "a\\u0000b"}}')
    with pytest.raises(DataError, match="cannot be one"):
        locate("x", where)
    put(where.registry, b"{")
    with pytest.raises(DataError, match="damaged"):
        locate("daily", where)
    assert known_models(where) == ["lkjsxclm"]
    for name in ("lkjsxclm", str(disk / "x.gguf"), "user/Model-GGUF:Q6_K", "hf:user/Model-GGUF"):
        assert locate(name, where).is_file()  # none of these can be an alias


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mien", "did you mean mine"),
        ("user/Modle-GGUF:Q6_K", r"did you mean user/Model-GGUF:Q6_K\?"),
        ("qwen3.5-4", "did you mean qwen3.5-4b"),
        ("some/where", "chatcli pull some/where"),
        ("pub/Repo-3B-GGUF", "chatcli pull pub/Repo-3B-GGUF.*did you mean pub/Repo-1B-GGUF"),
        ("user/Model-GGUF:Q2_K", "Q4_K_M, Q6_K"),
        ("nothing.gguf", "no model file"),
        ("./nothing", "no model file"),
        ("~nobody-at-all/x.gguf", "home folder"),
        ("zzzzzz", "known are lkjsxclm, mine"),
        ("", "no model"),
        ("a\0b", "no"),
        ("x" * 5000, "no"),
        ("../../../etc/passwd.gguf", "no model file"),
    ],
)
def test_what_is_not_there_says_what_to_do(name: str, said: str, disk: Path) -> None:
    """A near name, a command that fetches it, or where was looked."""
    with pytest.raises(ChatcliError, match=said):
        locate(name, places(disk))
