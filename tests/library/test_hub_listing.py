"""What is fetched from a repository, and what is not believed of its listing."""

from pathlib import Path

import pytest

from chatcli.errors import ChatcliError, ModelNotFound, NetworkError
from chatcli.library.names.hub_reference import parse_reference
from tests.library.hub_server import Fault, Repo
from tests.library.machine import CONTENT, MODEL, Machine, cached_file


def test_all_parts_and_the_projector_come_with_a_model(machine: Machine) -> None:
    """A split model has a name only when all of it is here; the first part is the one to load."""
    names = [f"big-Q8_0-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    parts = {name: CONTENT[: 1000 * n] for n, name in enumerate(names, 1)}
    machine.hub.repos["u/r"].files = {**parts, "mmproj-F16.gguf": b"eyes", "README.md": b""}
    machine.hub.fail(*[Fault(status=404)] * 20)
    with pytest.raises(NetworkError):
        machine.pull(retries=0)
    assert not (machine.cache.folder / "snapshots").exists()
    machine.hub.faults.clear()
    pulled = machine.pull()
    assert [file.path.name for file in pulled.files] == [*names, "mmproj-F16.gguf"]
    assert pulled.path.name == names[0]
    without = machine.puller(projector=False).pull([parse_reference("u/r:Q8_0")])[0]
    assert [file.path.name for file in without.files] == names


def test_several_models_are_fetched_at_once(machine: Machine) -> None:
    """Files of several names share the connections; each is fetched once, whatever it is called."""
    machine.hub.repos["u/s"] = Repo({"s-Q8_0.gguf": CONTENT[:5000]})
    references = [parse_reference(name) for name in ("u/r", "u/s", "u/r:q4_k_m")]
    pulled = machine.puller().pull(references)
    assert [model.path.name for model in pulled] == [MODEL, "s-Q8_0.gguf", MODEL]
    assert machine.hub.sent == len(CONTENT) + 5000


def test_the_same_content_under_two_names_is_fetched_once(machine: Machine) -> None:
    """Both names lead to it."""
    machine.hub.repos["u/r"].files["copy-Q8_0.gguf"] = CONTENT
    pulled = machine.puller().pull([parse_reference("u/r"), parse_reference("u/r:Q8_0")])
    assert [model.path.name for model in pulled] == [MODEL, "copy-Q8_0.gguf"]
    assert pulled[0].path.resolve() == pulled[1].path.resolve()
    assert machine.hub.sent == len(CONTENT)


def test_listings_have_pages(machine: Machine) -> None:
    """All pages are read."""
    machine.hub.page = 1
    assert machine.pull().path.read_bytes() == CONTENT


def test_a_renamed_repository_is_followed(machine: Machine) -> None:
    """The hub redirects to a path, without a host."""
    machine.hub.relative["old/name"] = "u/r"
    pulled = machine.pull("old/name")
    assert pulled.path.read_bytes() == CONTENT
    assert cached_file(parse_reference("old/name"), machine.root) == pulled.path


@pytest.mark.parametrize(
    "path",
    [
        *("../../evil.gguf", "/etc/evil.gguf", "a\\..\\evil.gguf", "C:evil.gguf", "a/\x1b[2J.gguf"),
        *("a/./b.gguf", "what?.gguf", "nul\0.gguf", "\ud800.gguf"),
    ],
)
def test_names_from_the_server_are_not_trusted(machine: Machine, path: str, tmp_path: Path) -> None:
    """A name that leads out of the cache, or that no file should have, is left out and said; the others
    come."""
    _offer(machine, path)
    pulled = machine.pull()
    assert pulled.path.read_bytes() == CONTENT
    assert [file for file in tmp_path.rglob("*.gguf") if file.name != MODEL] == []
    assert machine.recorder.notes == [f"u/r: {path!r} cannot be used safely as the name of a file; left out"]


def test_only_names_that_cannot_be_used(machine: Machine) -> None:
    """What is missing for that reason is told with the reason."""
    del machine.hub.repos["u/r"].files[MODEL]
    for number in range(5):
        _offer(machine, f"m?{number}-Q8_0.gguf")
    with pytest.raises(ModelNotFound, match=r"no GGUF model.*; 'm\?0.*and 2 more cannot be used safely"):
        machine.pull()


def _offer(machine: Machine, path: str) -> None:
    """Let the listing name a file."""
    lfs = {"oid": "0" * 64, "size": 5, "pointerSize": 1}
    entry = {"type": "file", "path": path, "size": 5, "oid": "1" * 40, "lfs": lfs}
    machine.hub.repos["u/r"].listed[path] = entry


@pytest.mark.parametrize(
    "entry",
    [
        {"size": -1, "lfs": None},
        {"size": "big", "lfs": None},
        {"oid": "../../x", "lfs": None},
        {"oid": None, "lfs": None},
    ],
)
def test_a_listing_that_makes_no_sense_is_refused(machine: Machine, entry: dict[str, object]) -> None:
    """Sizes and checksums are what everything hangs on."""
    machine.hub.repos["u/r"].listed[MODEL] = entry
    with pytest.raises(NetworkError, match="makes no sense"):
        machine.pull()


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, b'{"sha": "../../x"}', b"[]", b"\xff\xfe"])
def test_an_answer_that_is_no_hubs_is_refused(machine: Machine, body: bytes) -> None:
    """A login page, or anything else, in place of the hub's answer: one line."""
    machine.hub.fail(Fault("api", body=body))
    with pytest.raises(NetworkError, match="is HF_ENDPOINT a hub"):
        machine.pull()


def test_redirects_in_a_circle_end(machine: Machine) -> None:
    """They are counted."""
    machine.hub.fail(*[Fault("api", status=307, headers={"Location": "/api/models/u/r/revision/main"})] * 20)
    with pytest.raises(NetworkError, match="more than 10 times"):
        machine.pull()


def test_what_is_not_there_is_said(machine: Machine) -> None:
    """An unknown quantization lists those there are, an unknown file the files, and nothing is fetched."""
    for name, why in {
        "u/r:Q9": "u/r: there is no Q9.*Q4_K_M",
        "u/r/x.gguf": "u/r: there is no file x.gguf.*m-Q4_K_M",
        "u/r@v9": "no such branch",
        "u/x": "there is no u/x",
    }.items():
        with pytest.raises(ModelNotFound, match=why):
            machine.pull(name)
    assert not machine.root.exists()


def test_errors_are_one_line(machine: Machine) -> None:
    """Whatever the server puts into its message."""
    machine.hub.fail(Fault("api", status=400, headers={"X-Error-Message": "a" * 5000}))
    with pytest.raises(ChatcliError) as error:
        machine.pull()
    assert len(str(error.value)) < 400
