"""The cache is huggingface_hub's: what one of us fetched, the other finds."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatcli.errors import UsageError
from chatcli.library.hub.settings import HubSettings
from chatcli.library.names.hub_reference import parse_reference
from chatcli.library.stores.hub_cache import cached_files
from chatcli.library.stores.places import cache_root
from chatcli.library.stores.repo_cache import PARTIAL, RepoCache
from tests.library.disks import gguf
from tests.library.hub_server import HubServer, Repo
from tests.library.machine import cached_file
from tests.library.pulling import environment, pull, pull_json

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEWER = "f" * 40


def _fill(root: Path, names: list[str], commit: str = COMMIT, ref: str | None = "main") -> RepoCache:
    """A repository in the cache, as other programs leave it."""
    cache = RepoCache(root, "u/r")
    for name in names:
        blob = cache.blob(f"{abs(hash(name)):064x}"[:64])
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(b"GGUF")
        cache.link(commit, name, blob.name)
    if ref is not None:
        cache.set_commit(ref, commit)
    return cache


def _huggingface_hub(expression: str, env: dict[str, str]) -> Any:
    """What huggingface_hub says, in a process of its own since it reads the environment at import."""
    code = f"import json, huggingface_hub, huggingface_hub.constants as c; print(json.dumps({expression}))"
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_"))} | env
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_the_cache_is_where_huggingface_hub_has_it(tmp_path: Path) -> None:
    """Whatever its variables say."""
    home = {"HOME": str(tmp_path)}
    for extra in (
        {},
        {"XDG_CACHE_HOME": "/x/cache"},
        {"HF_HOME": "~/hf"},
        {"HF_HOME": "/a", "HF_HUB_CACHE": "$HOME/models"},
        {"HUGGINGFACE_HUB_CACHE": "/old"},
    ):
        theirs = _huggingface_hub("c.HF_HUB_CACHE", home | extra)
        code = (
            "import os; from chatcli.library.stores.places import cache_root; "
            "print(end=str(cache_root(os.environ)))"
        )
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_"))} | home | extra
        ours = subprocess.run(
            [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
        )
        assert ours.stdout == theirs, extra


def test_huggingface_hub_finds_what_was_pulled(fresh_home: Path) -> None:
    """Its own look-up without a connection and its scan of the cache see the file, whole."""
    with HubServer({"u/r": Repo({"sub/m-Q8_0.gguf": gguf()})}) as hub:
        file = pull_json(hub, fresh_home, "u/r")[0]
        variables = environment(hub, fresh_home / "hub")
    path = _huggingface_hub(
        "huggingface_hub.hf_hub_download('u/r', 'sub/m-Q8_0.gguf', local_files_only=True)", variables
    )
    assert path == file["path"]
    seen = "[[r.repo_id, r.size_on_disk, len(i.warnings)] for r in i.repos]"
    scan = f"[{seen} for i in [huggingface_hub.scan_cache_dir()]]"
    assert _huggingface_hub(scan, variables) == [[["u/r", len(gguf()), 0]]]


def test_what_huggingface_hub_fetched_is_not_fetched_again(fresh_home: Path) -> None:
    """A pull after it asks for the listing only."""
    with HubServer({"u/r": Repo({"m-Q8_0.gguf": gguf()})}) as hub:
        variables = environment(hub, fresh_home / "hub") | {"HF_HUB_DISABLE_XET": "1"}
        theirs = _huggingface_hub("huggingface_hub.hf_hub_download('u/r', 'm-Q8_0.gguf')", variables)
        fetched = len(hub.requests("content"))
        file = pull_json(hub, fresh_home, "u/r")[0]
        assert (file["path"], file["bytes_requested"]) == (theirs, 0)
        assert len(hub.requests("content")) == fetched


def test_what_others_fetched_is_verified(fresh_home: Path) -> None:
    """Wrong bytes of the right size, which huggingface_hub takes, are put aside and fetched again; the
    checksum that answers will carry is one of the bytes, not of a name."""
    content = gguf()
    with HubServer({"u/r": Repo({"m-Q8_0.gguf": content})}) as hub:
        path = Path(pull_json(hub, fresh_home, "u/r")[0]["path"])
        known = (fresh_home / "cache/checksums.json").read_bytes()
        blob = path.resolve()
        blob.write_bytes(gguf("wrng"))
        done = pull(hub, fresh_home, "u/r")
        assert "is here but damaged; fetching it again" in done.stderr
        assert path.read_bytes() == content
        assert (fresh_home / "cache/checksums.json").read_bytes() != known
        (fresh_home / "cache/checksums.json").unlink()
        again = pull_json(hub, fresh_home, "u/r")[0]
        assert (again["sha256"], again["bytes_requested"]) == (hashlib.sha256(content).hexdigest(), 0)


def test_nothing_is_found_in_an_empty_cache(tmp_path: Path) -> None:
    """No folder is made for looking."""
    assert cached_file(parse_reference("u/r"), tmp_path / "hub") is None
    assert not (tmp_path / "hub").exists()


def test_a_name_means_what_is_here(tmp_path: Path) -> None:
    """Without a tag the preferred one of those that are here; with one exactly that."""
    _fill(tmp_path, ["m-Q5_K_M.gguf", "m-Q8_0.gguf", "mmproj-F16.gguf"])

    def found(name: str) -> list[str]:
        return [path.name for path in cached_files(parse_reference(name), tmp_path)]

    assert found("u/r") == ["m-Q8_0.gguf", "mmproj-F16.gguf"]
    assert found("u/r:q5_k_m") == ["m-Q5_K_M.gguf", "mmproj-F16.gguf"]
    assert found("u/r/m-Q8_0.gguf") == ["m-Q8_0.gguf", "mmproj-F16.gguf"]
    assert found("u/r:Q4_K_M") == []
    assert found("u/r/other.gguf") == []
    _fill(tmp_path, ["n-Q8_0.gguf"])
    with pytest.raises(UsageError, match="fits several files"):
        found("u/r:Q8_0")


def test_an_incomplete_model_is_not_found(tmp_path: Path) -> None:
    """A link without its bytes, an unfinished download, and one part of three are no models."""
    cache = _fill(tmp_path, ["m-Q8_0.gguf", "big-F16-00001-of-00003.gguf"])
    cache.snapshot(COMMIT, "m-Q8_0.gguf").resolve().unlink()
    (cache.folder / "snapshots" / COMMIT / f"x.gguf{PARTIAL}").write_bytes(b"GGUF")
    for name in ("u/r", "u/r:Q8_0", "u/r:F16", "u/r/m-Q8_0.gguf"):
        assert cached_file(parse_reference(name), tmp_path) is None


def test_the_newest_commit_that_has_it_counts(tmp_path: Path) -> None:
    """What refs/main names comes first; a file only an older commit has is found there."""
    cache = _fill(tmp_path, ["m-Q4_K_M.gguf", "m-Q8_0.gguf"])
    _fill(tmp_path, ["m-Q8_0.gguf"], NEWER)
    found = [cached_file(parse_reference(name), tmp_path) for name in ("u/r:Q8_0", "u/r:Q4_K_M")]
    assert found == [cache.snapshot(NEWER, "m-Q8_0.gguf"), cache.snapshot(COMMIT, "m-Q4_K_M.gguf")]
    at = parse_reference(f"u/r@{COMMIT}:Q8_0")
    assert cached_file(at, tmp_path) == cache.snapshot(COMMIT, "m-Q8_0.gguf")
    assert cached_file(parse_reference("u/r@v2:Q8_0"), tmp_path) is None


def test_a_damaged_ref_leads_nowhere(tmp_path: Path) -> None:
    """A ref that names a path out of the cache is not followed."""
    cache = _fill(tmp_path, ["m-Q8_0.gguf"])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "m-Q8_0.gguf").write_bytes(b"GGUF")
    (cache.folder / "refs" / "main").write_text("../../elsewhere")
    assert cached_file(parse_reference("u/r"), tmp_path) == cache.snapshot(COMMIT, "m-Q8_0.gguf")


@pytest.mark.parametrize(
    "environ",
    [
        {"HF_ENDPOINT": "hub.example"},
        {"HF_ENDPOINT": "http://"},
        {"HF_ENDPOINT": "http://hub:99999"},
        {"HF_ENDPOINT": "http://[::1"},
        {"HF_HUB_DOWNLOAD_TIMEOUT": "0.5"},
        {"HF_HUB_DOWNLOAD_TIMEOUT": "0"},
    ],
)
def test_variables_that_make_no_sense_are_refused(environ: dict[str, str]) -> None:
    """The variable is named."""
    with pytest.raises(UsageError, match=next(iter(environ))):
        HubSettings.of(environ)


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_by_the_usual_variables(name: str) -> None:
    """As huggingface_hub reads them."""
    assert HubSettings.of({name: "1"}).offline
    assert not HubSettings.of({name: "0"}).offline
    assert cache_root({"HF_HUB_CACHE": "/c"}) == Path("/c")
