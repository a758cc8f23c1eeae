"""``--push-to-hub``: nothing leaves the machine that was not shown and agreed to."""

from pathlib import Path

from chatcli.feedback.codec import encode
from chatcli.settings import Paths
from tests.cli.hub_server import HubServer, Repository
from tests.datasets.export_logs import sample
from tests.program import Run, Terminal, run

_NAME = "me/judged"


def variables(home: Path, server: HubServer, token: str | None = "secret") -> dict[str, str]:
    """An environment in which the server is the hub."""
    log = Paths.locate({"CHATCLI_HOME": str(home)}).feedback_log
    log.write_bytes(b"".join(encode(record) + b"\n" for record in sample().records))
    given = {"HF_ENDPOINT": server.address, "HF_HOME": str(home / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    return given if token is None else given | {"HF_TOKEN": token}


def push(home: Path, out: Path, server: HubServer, *arguments: str, token: str | None = "secret") -> Run:
    """Export and upload, from a script."""
    given = ("feedback", "export", "-o", str(out), "--push-to-hub", _NAME, "--yes", *arguments)
    return run(home, *given, env=variables(home, server, token))


def test_the_folder_is_uploaded_as_it_is(fresh_home: Path, tmp_path: Path) -> None:
    """To a private dataset, with the token; the summary names every file; a stranger's file stays here."""
    out = tmp_path / "data"
    with HubServer() as server:
        first = push(fresh_home, out, server)
        assert first.code == 0, first.stderr
        (out / "mine.txt").write_text("mine")
        done = push(fresh_home, out, server, "--force")
    assert done.code == 0, done.stderr
    repository = server.repositories[_NAME]
    assert repository.private
    names = {"train.jsonl", "README.md", "manifest.json"}
    assert repository.files == {name: (out / name).read_bytes() for name in names}
    assert server.tokens == {"Bearer secret"}
    assert all(f"  {name}  " in done.stderr for name in names)
    assert "8 rows of your chats, not redacted" in done.stderr
    assert "only you" in done.stderr


def test_a_public_repository_is_not_written_by_accident(fresh_home: Path, tmp_path: Path) -> None:
    """One that was there already keeps its visibility, so it is looked at first."""
    with HubServer() as server:
        server.repositories[_NAME] = Repository(private=False)
        refused = push(fresh_home, tmp_path / "a", server)
        assert (refused.code, server.repositories[_NAME].files) == (2, {})
        assert "public" in refused.stderr
        assert push(fresh_home, tmp_path / "b", server, "--public").code == 0
        assert server.repositories[_NAME].files


def test_it_asks_first(fresh_home: Path, tmp_path: Path) -> None:
    """Anything but yes uploads nothing; the dataset stays."""
    out = tmp_path / "data"
    with HubServer() as server:
        given = ("feedback", "export", "-o", str(out), "--push-to-hub", _NAME)
        with Terminal(fresh_home, *given, size=(100, 40), env=variables(fresh_home, server)) as terminal:
            terminal.wait_for("upload? [y/N]")
            terminal.send("\r")
            assert terminal.wait_for_exit() == 1
            assert "nothing was uploaded" in terminal.scrollback
    assert server.repositories == {}
    assert (out / "manifest.json").exists()


def test_without_a_login_and_without_a_hub(fresh_home: Path, tmp_path: Path) -> None:
    """One line each, and what to do."""
    with HubServer() as server:
        done = push(fresh_home, tmp_path / "a", server, token=None)
        assert done.code == 2
        assert "hf auth login" in done.stderr.splitlines()[-1]
    gone = push(fresh_home, tmp_path / "b", server)
    assert gone.code == 7
    assert "could not be uploaded" in gone.stderr.splitlines()[-1]
