"""Downloads over real HTTP, and everything that goes wrong on the way."""

import contextlib
import hashlib
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatcli.errors import ChatcliError, NetworkError, StorageError
from chatcli.library.hub.pull import Puller
from chatcli.library.names.hub_reference import parse_reference
from chatcli.library.stores import partial_blob
from tests.library.hub_server import Fault, HubServer, etag_of
from tests.library.machine import CONTENT, HALF, MODEL, Machine, cached_file


def test_a_file_arrives_whole(machine: Machine) -> None:
    """What is here afterwards is what the hub has, under its name, with nothing left over."""
    pulled = machine.pull()
    assert pulled.path.read_bytes() == CONTENT
    assert pulled.path.is_symlink()
    assert not pulled.path.readlink().is_absolute()
    assert pulled.files[0].sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert cached_file(parse_reference("u/r"), machine.root) == pulled.path
    assert [p.name for p in (machine.cache.folder / "blobs").iterdir()] == [etag_of(MODEL, CONTENT)]


def test_what_is_here_is_not_fetched_again(machine: Machine) -> None:
    """A second pull asks for the listing only."""
    machine.pull()
    again = machine.pull()
    assert (again.files[0].received, len(machine.starts())) == (0, 1)


@pytest.mark.parametrize("have", [1, 4096, HALF, len(CONTENT) - 1])
def test_resumes_at_the_byte_where_it_stopped(machine: Machine, have: int) -> None:
    """Of a partial file only the rest is asked for."""
    machine.leave_partial(CONTENT[:have])
    file = machine.pull().files[0]
    assert machine.starts() == [have]
    assert machine.hub.sent == len(CONTENT) - have == file.received
    assert file.resumed_from == have
    assert file.path.read_bytes() == CONTENT


def test_a_whole_partial_file_needs_no_request(machine: Machine) -> None:
    """Killed between the last byte and the name: only the name is missing."""
    machine.leave_partial(CONTENT)
    assert machine.pull().path.read_bytes() == CONTENT
    assert machine.starts() == []


def test_a_server_without_ranges(machine: Machine) -> None:
    """It sends everything: what is here already is skipped."""
    machine.leave_partial(CONTENT[:HALF])
    machine.hub.fail(Fault(ignore_range=True))
    assert machine.pull().path.read_bytes() == CONTENT
    assert machine.hub.sent == len(CONTENT)


@pytest.mark.parametrize(
    "fault", [Fault(wrong_range=True), Fault(no_range_header=True), Fault(status=416)], ids=str
)
def test_a_server_that_is_wrong_about_ranges(machine: Machine, fault: Fault) -> None:
    """Bytes from elsewhere are not put behind what is here: all is asked for, and what is here skipped."""
    machine.leave_partial(CONTENT[:HALF])
    machine.hub.fail(fault)
    assert machine.pull().path.read_bytes() == CONTENT
    assert machine.starts() == [HALF, 0]
    assert "does not send the part" in machine.recorder.notes[0]


@pytest.mark.parametrize("at", ["api", "resolve"])
@pytest.mark.parametrize("target", ["http://[::1/x", "http://host:99999/x", "file:///etc/passwd"])
def test_redirects_to_no_address(machine: Machine, at: str, target: str) -> None:
    """One line, whatever a server puts there."""
    machine.hub.fail(Fault(at, status=302, headers={"Location": target}))
    with pytest.raises(NetworkError, match="which is no address"):
        machine.pull()


def test_a_cache_that_is_only_read(machine: Machine) -> None:
    """What is here already needs no lock, no link and no note of the commit: many may share a cache."""
    path = machine.pull().path
    folder = machine.cache.folder
    before = sorted((p, p.lstat().st_mtime_ns) for p in (folder, *folder.rglob("*")))
    shutil.rmtree(machine.root / ".locks")
    assert machine.pull().path == path
    assert sorted((p, p.lstat().st_mtime_ns) for p in (folder, *folder.rglob("*"))) == before
    assert not (machine.root / ".locks").exists()


def test_a_cut_connection_goes_on_where_it_was(machine: Machine) -> None:
    """Each attempt asks for what is missing then; as long as bytes come, it is not given up."""
    machine.hub.fail(*[Fault(cut=100_000)] * 6)
    assert machine.pull(retries=2).path.read_bytes() == CONTENT
    assert machine.starts() == [100_000 * n for n in range(7)]
    assert any("cut the connection; trying again" in note for note in machine.recorder.notes)


def test_a_stalled_connection_is_left(machine: Machine) -> None:
    """Silence counts as a cut connection after the time-out."""
    machine.hub.fail(Fault(stall=300_000), Fault(stall=0))
    assert machine.pull(timeout=0.3).path.read_bytes() == CONTENT
    assert machine.starts() == [0, 300_000, 300_000]


@pytest.mark.parametrize("at", ["api", "resolve", "content"])
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_trouble_is_waited_out(machine: Machine, at: str, status: int) -> None:
    """Wherever the trouble is, the same is asked again, after what the server asked to wait."""
    machine.hub.fail(Fault(at, status=status), Fault(at, status=status, headers={"Retry-After": "0"}))
    assert machine.pull().path.read_bytes() == CONTENT
    assert "trying again in 0 s (2 of 3)" in machine.recorder.notes[-1]


def test_patience_is_bounded(machine: Machine) -> None:
    """A server that never recovers is given up, in one line, and what came is kept."""
    machine.hub.fail(Fault(cut=HALF), *[Fault(status=503)] * 4)
    with pytest.raises(NetworkError, match=r"has trouble \(503\); given up after 4 times"):
        machine.pull()
    assert machine.cache.partial(etag_of(MODEL, CONTENT)).read_bytes() == CONTENT[:HALF]


def test_a_long_retry_after_is_not_sat_out(machine: Machine) -> None:
    """A server that asks for an hour gets it: the program says so and ends."""
    machine.hub.fail(Fault("api", status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(NetworkError, match=r"\(429\).*come back in 1 h"):
        machine.pull()


def test_an_expired_address_is_asked_for_anew(machine: Machine) -> None:
    """The content host's 403 means that the signature is too old; the hub gives a new one."""
    machine.hub.fail(Fault(cut=HALF), Fault(status=403))
    assert machine.pull().path.read_bytes() == CONTENT
    assert len(machine.hub.requests("resolve")) == 3


def test_a_damaged_download_never_gets_the_name(machine: Machine) -> None:
    """Same size, another byte: it is put aside, said, and fetched once more."""
    machine.hub.fail(Fault(corrupt=True))
    assert machine.pull().path.read_bytes() == CONTENT
    assert machine.starts() == [0, 0]
    assert any("arrived damaged" in note for note in machine.recorder.notes)


def test_damage_that_stays_is_an_error(machine: Machine) -> None:
    """A server that sends other bytes twice is not believed a third time."""
    machine.hub.fail(Fault(corrupt=True), Fault(corrupt=True))
    with pytest.raises(NetworkError, match=r"arrived damaged.*the second time"):
        machine.pull()
    assert cached_file(parse_reference("u/r"), machine.root) is None
    assert [one.path for one in machine.cache.unfinished()] == [
        machine.cache.damaged(etag_of(MODEL, CONTENT))
    ]
    assert machine.pull().path.read_bytes() == CONTENT
    assert not list(machine.cache.unfinished())


def test_a_damaged_partial_file_is_found_out(machine: Machine) -> None:
    """What an earlier run left is part of what is verified."""
    machine.leave_partial(b"\1" + CONTENT[1:HALF])
    assert machine.pull().path.read_bytes() == CONTENT
    assert machine.starts() == [HALF, 0]


def test_a_tail_of_zeros_counts_as_lost(machine: Machine, tmp_path: Path) -> None:
    """After a power cut a file may have its length but not its bytes: back to the last fsync."""
    machine.leave_partial(CONTENT[:HALF] + bytes(8192))
    assert machine.pull().path.read_bytes() == CONTENT
    assert machine.starts() == [0]
    path, size = tmp_path / "partial", partial_blob.SYNC_EVERY + 10_000
    with path.open("wb") as file:
        file.truncate(size)
    assert partial_blob.sound_size(path, size, 2 * size) == partial_blob.SYNC_EVERY


def test_a_link_in_place_of_the_partial_file_is_not_followed(machine: Machine, tmp_path: Path) -> None:
    """Somebody who may write into a shared cache cannot have another file of this user overwritten."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    partial = machine.leave_partial(b"")
    partial.unlink()
    partial.symlink_to(precious)
    assert machine.pull().path.read_bytes() == CONTENT
    assert precious.read_bytes() == b"mine"


def test_a_partial_file_that_is_too_long_is_dropped(machine: Machine) -> None:
    """It cannot be a beginning of the file."""
    machine.leave_partial(CONTENT + b"more")
    assert machine.pull().path.read_bytes() == CONTENT
    assert machine.starts() == [0]


@pytest.mark.parametrize(
    "body", [CONTENT + b"surplus", CONTENT[:-1], b"<html>log in to the hotel's network</html>"]
)
def test_another_size_than_announced_is_refused(machine: Machine, body: bytes) -> None:
    """Not a byte of it is written, and no trace of it stays."""
    machine.hub.fail(Fault(body=body))
    with pytest.raises(NetworkError, match="another size"):
        machine.pull()
    assert not machine.cache.folder.exists()


def test_a_file_that_changed_between_attempts_starts_over(machine: Machine) -> None:
    """The partial of the former content is neither used nor kept."""
    machine.leave_partial(CONTENT[:HALF])
    other = CONTENT[::-1]
    machine.hub.repos["u/r"].files[MODEL] = other
    assert machine.pull().path.read_bytes() == other
    assert machine.starts() == [0]
    assert not list(machine.cache.unfinished())
    assert any("former version" in note for note in machine.recorder.notes)


def test_a_file_that_changes_under_way_is_looked_up_again(machine: Machine) -> None:
    """The hub's ETag is compared at each attempt, not only in the listing."""
    other = CONTENT[::-1]
    machine.hub.fail(Fault(cut=HALF, then=lambda: machine.hub.repos["u/r"].files.update({MODEL: other})))
    assert machine.pull().path.read_bytes() == other
    assert machine.recorder.notes.count("the repository changed meanwhile; looking again") == 1


def test_an_update_keeps_the_old_commit(machine: Machine) -> None:
    """A new version is fetched beside the former one, and its name means the new one."""
    first = machine.pull().path
    machine.hub.repos["u/r"].files[MODEL] = CONTENT[::-1]
    second = machine.pull().path
    assert (first.read_bytes(), second.read_bytes()) == (CONTENT, CONTENT[::-1])
    assert cached_file(parse_reference("u/r"), machine.root) == second


def test_small_files_are_verified_with_gits_checksum(machine: Machine) -> None:
    """Files the hub keeps in git itself are named by git's hash of them."""
    machine.hub.repos["u/r"].files["s.small.gguf"] = b"GGUF small"
    machine.hub.fail(Fault("resolve", corrupt=True))
    file = machine.pull("u/r/s.small.gguf").files[0]
    assert file.path.read_bytes() == b"GGUF small"
    assert file.sha256 == hashlib.sha256(b"GGUF small").hexdigest()
    assert any("arrived damaged" in note for note in machine.recorder.notes)


FAULTS = st.builds(
    Fault,
    at=st.sampled_from(["content", "content", "content", "resolve", "api"]),
    status=st.sampled_from([0, 0, 0, 403, 404, 416, 429, 500, 503]),
    cut=st.none() | st.integers(0, len(CONTENT)),
    corrupt=st.booleans(),
    ignore_range=st.booleans(),
    wrong_range=st.booleans(),
    body=st.sampled_from([None, None, None, CONTENT[:-1], b"", CONTENT[::-1]]),
)


def _survives(hub: HubServer, root: Path, faults: list[Fault], left: bytes) -> None:
    machine = Machine(hub, root)
    machine.leave_partial(left)
    machine.hub.faults[:] = faults
    for _ in range(len(faults) + 1):
        with contextlib.suppress(ChatcliError):
            assert machine.pull(retries=1).path.read_bytes() == CONTENT
            return
        assert cached_file(parse_reference("u/r"), root) is None
        assert not machine.cache.blob(etag_of(MODEL, CONTENT)).exists()
    machine.hub.faults.clear()
    assert machine.pull().path.read_bytes() == CONTENT


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FAULTS, max_size=5), st.binary(max_size=100) | st.integers(0, len(CONTENT)))
def test_whatever_goes_wrong(
    hub: HubServer, tmp_path_factory: pytest.TempPathFactory, faults: list[Fault], left: bytes | int
) -> None:
    """Any faults in any order, on top of any leftover: an error of ours and nothing to load, or the file."""
    before = CONTENT[:left] if isinstance(left, int) else left
    _survives(hub, tmp_path_factory.mktemp("machine"), faults, before)


@pytest.mark.soak
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FAULTS, max_size=8), st.binary(max_size=100) | st.integers(0, len(CONTENT)))
def test_whatever_goes_wrong_at_length(
    hub: HubServer, tmp_path_factory: pytest.TempPathFactory, faults: list[Fault], left: bytes | int
) -> None:
    """The same, a thousand times."""
    before = CONTENT[:left] if isinstance(left, int) else left
    _survives(hub, tmp_path_factory.mktemp("machine"), faults, before)


def test_a_full_disk_is_noticed_before_a_byte_is_fetched(machine: Machine) -> None:
    """Needed and free are said."""
    lfs = {"oid": "2" * 64, "size": 2**49, "pointerSize": 1}
    machine.hub.repos["u/r"].listed[MODEL] = {"lfs": lfs}
    with pytest.raises(StorageError, match=r"562\.9 TB are needed, and .* free; make room"):
        machine.pull()
    assert not machine.hub.requests("resolve")


def test_a_folder_that_cannot_be_written(machine: Machine) -> None:
    """What is in the way is named."""
    machine.root.parent.mkdir(exist_ok=True)
    machine.root.write_text("a file where the cache should be")
    with pytest.raises(StorageError, match=str(machine.root)):
        machine.pull()


def test_where_links_cannot_be_made_there_is_another_name(machine: Machine) -> None:
    """On Windows without the privilege the name leads to the bytes all the same."""
    path = _without_links(machine).pull([parse_reference("u/r")])[0].path
    assert not path.is_symlink()
    assert path.samefile(machine.cache.blob(etag_of(MODEL, CONTENT)))
    assert cached_file(parse_reference("u/r"), machine.root) == path


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_where_no_second_name_can_be_given_there_is_one_copy(machine: Machine) -> None:
    """As on FAT: it is made when it is missing or differs, not at every pull, and needs its room."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        machine.cache.folder.mkdir(parents=True)
        (machine.cache.folder / "snapshots").symlink_to(elsewhere)
        puller = _without_links(machine)
        path = puller.pull([parse_reference("u/r")])[0].path
        assert path.read_bytes() == CONTENT
        assert path.stat().st_nlink == 1
        before = path.stat()
        puller.pull([parse_reference("u/r")])
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        path.write_bytes(CONTENT[::-1])
        puller.pull([parse_reference("u/r")])
        assert path.read_bytes() == CONTENT
        lfs = {"oid": "2" * 64, "size": 2**49, "pointerSize": 1}
        entry = {"type": "file", "path": "m-Q8_0.gguf", "size": 2**49, "oid": "1" * 40, "lfs": lfs}
        machine.hub.repos["u/r"].listed["m-Q8_0.gguf"] = entry
        with pytest.raises(StorageError, match=r"1125\.9 TB are needed"):
            puller.pull([parse_reference("u/r:Q8_0")])


def _without_links(machine: Machine) -> Puller:
    puller = machine.puller()
    puller.settings = replace(puller.settings, symlinks=False)
    return puller


def test_what_is_refused_leaves_nothing(machine: Machine) -> None:
    """No folder and no file without a byte; what another pull left of it is kept."""
    machine.hub.repos["u/r"].gated = True
    with pytest.raises(NetworkError, match="is gated"):
        machine.pull()
    assert not machine.cache.folder.exists()
    partial = machine.leave_partial(CONTENT[:HALF])
    with pytest.raises(NetworkError, match="is gated"):
        machine.pull()
    assert partial.read_bytes() == CONTENT[:HALF]
