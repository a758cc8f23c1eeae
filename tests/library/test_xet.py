"""Downloads from xet storage: hf_xet with a storage in a folder, which it offers for tests of its own."""

from pathlib import Path

import hf_xet
import pytest

from chatcli import __version__
from tests.library.hub_server import HubServer
from tests.library.machine import CONTENT, HALF, MODEL, Machine


@pytest.fixture
def storage(hub: HubServer, tmp_path: Path) -> str:
    """The hub's model is in xet storage, too; the address of the storage."""
    address, source = f"local://{tmp_path}/xet", tmp_path / "weights"
    source.write_bytes(CONTENT)
    with hf_xet.XetSession().new_upload_commit(endpoint=address) as commit:
        upload = commit.start_upload_file(str(source))
    repo = hub.repos["u/r"]
    repo.xet, repo.xet_storage = {MODEL: upload.result().xet_info.hash}, address
    return address


@pytest.mark.usefixtures("storage")
@pytest.mark.parametrize("have", [0, HALF])
def test_a_file_comes_from_xet_storage(machine: Machine, have: int) -> None:
    """Where the hub names one: not a byte comes from the content host, and what is here is not asked for."""
    if have:
        machine.leave_partial(CONTENT[:have])
    file = machine.pull().files[0]
    assert file.path.read_bytes() == CONTENT
    assert (file.resumed_from, file.received) == (have, len(CONTENT) - have)
    assert machine.starts() == []
    agents = {request.headers["user-agent"] for request in machine.hub.log}
    assert agents == {f"chatcli/{__version__}"}


@pytest.mark.usefixtures("storage")
def test_xet_storage_can_be_switched_off(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_DISABLE_XET, which huggingface_hub reads when it is imported, is obeyed."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    assert machine.pull().path.read_bytes() == CONTENT
    assert machine.starts() == [0]


@pytest.mark.usefixtures("storage")
@pytest.mark.parametrize("address", ["local:///proc/nowhere", "local:///dev/shm/chatcli-no-xet", "nonsense"])
def test_storage_that_fails_is_replaced_by_http(machine: Machine, address: str) -> None:
    """Whatever is wrong with it, plain HTTP is tried next; nothing is lost."""
    machine.hub.repos["u/r"].xet_storage = address
    machine.leave_partial(CONTENT[:HALF])
    assert machine.pull(retries=0).path.read_bytes() == CONTENT
    assert machine.starts() == [HALF]


@pytest.mark.usefixtures("storage")
def test_damage_in_xet_storage_is_found(machine: Machine) -> None:
    """Other bytes than those of the listing are put aside; plain HTTP sends the right ones."""
    other = CONTENT[::-1]
    machine.hub.repos["u/r"].files[MODEL] = other
    assert machine.pull().path.read_bytes() == other
    assert machine.starts() == [0]
    assert any("arrived damaged" in note for note in machine.recorder.notes)
