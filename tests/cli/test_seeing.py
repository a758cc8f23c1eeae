"""Models that see, through the whole program: a real projector, loaded and run by libmtmd."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcli.chat.message import Generation
from chatcli.chat.transcript.reader import load
from chatcli.errors import ExitCode
from tests.engine.projector_files import write_projector
from tests.library.hub_server import HubServer, Repo
from tests.library.pulling import REPO, environment, pull
from tests.pictures import picture_file
from tests.program import MODEL, Run, Terminal, run

_WIDTH = 384  # of the bundled model
_CELLS = 16  # that the projector makes of any picture
GREEDY = ("-t", "0", "-o", "max_tokens=8")


@pytest.fixture(scope="module")
def projector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lets the bundled model see, if not understand."""
    return write_projector(tmp_path_factory.mktemp("seeing") / "mmproj-lkjsxclm.gguf", width=_WIDTH)


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    """A picture."""
    return picture_file(tmp_path / "cat.png")


@pytest.fixture
def hub(projector: Path) -> Iterator[HubServer]:
    """A hub with a vision model."""
    files = {MODEL.name: MODEL.read_bytes(), "mmproj-F16.gguf": projector.read_bytes()}
    with HubServer({REPO: Repo(files)}) as server:
        yield server


def _answer(done: Run) -> dict[str, object]:
    assert done.code == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def _prompt_tokens(done: Run) -> int:
    usage = _answer(done)["usage"]
    assert isinstance(usage, dict)
    return int(usage["prompt_tokens"])


def _generations(home: Path) -> list[Generation]:
    """How the answers that were kept came to be, the oldest first."""
    files = sorted((home / "transcripts").rglob("*.txt"), key=lambda file: file.stat().st_mtime_ns)
    found = [m.generation for f in files for m in load([f.read_bytes()]).conversation.messages()]
    return [generation for generation in found if generation is not None]


def test_pulled_it_sees(hub: HubServer, home: Path, cat: Path) -> None:
    """From a name on the hub to an answer about a picture; without its projector it says why it cannot."""
    done = pull(hub, home, REPO)
    assert done.code == 0, done.stderr
    env = environment(hub, home / "hub")
    for name in (REPO, done.stdout.removesuffix("\n")):
        seen = run(home, "ask", "-m", name, *GREEDY, "--json", "-i", str(cat), "What is this?", env=env)
        words = run(home, "ask", "-m", name, *GREEDY, "--json", "What is this?", env=env)
        assert _prompt_tokens(seen) == _prompt_tokens(words) + _CELLS
        assert seen.stderr == ""
    with_it = [generation.model.projector for generation in _generations(home)]
    assert len(set(with_it)) == 1
    assert len(with_it[0]) == 64
    blind = run(home, "ask", "-m", REPO, "--mmproj", "none", "-i", str(cat), "What is this?", env=env)
    assert blind.code == ExitCode.MODEL
    assert "cat.png" in blind.stderr
    assert "--mmproj" in blind.stderr
    assert blind.stderr.count("\n") == 1


def test_another_picture_is_another_prompt(home: Path, projector: Path, tmp_path: Path) -> None:
    """What the model reads of a picture is in the prompt's cells: the same for the same, else others."""
    red, blue = picture_file(tmp_path / "red.png"), picture_file(tmp_path / "blue.png", "blue")
    again = picture_file(tmp_path / "again.png")

    def cells(picture: Path) -> list[int]:
        see = ("--mmproj", str(projector), "--show-prompt", "--json")
        done = run(home, "ask", *see, "-i", str(picture), "What is this?")
        assert done.code == 0, done.stderr
        return [token["id"] for token in json.loads(done.stdout)["tokens"] if token["id"] < 0]

    assert cells(red) == cells(again)
    assert not set(cells(red)) & set(cells(blue))
    text = run(home, "ask", "--mmproj", str(projector), "--show-prompt", "-i", str(red), "What?").stdout
    assert f"* [picture: red.png, {_CELLS} tokens]" in text


def test_a_chat_about_a_picture_goes_on(home: Path, projector: Path, cat: Path) -> None:
    """In a terminal, and resumed in another process: the picture is not read again; its file may be gone."""
    see = ("--mmproj", str(projector), *GREEDY)
    with Terminal(home, *see) as terminal:
        terminal.wait_for(lambda text: text.endswith("\n>"))
        terminal.send(f"/image {cat}\r")
        terminal.wait_for(lambda text: "cat.png 30x20" in text)
        cat.unlink()
        terminal.send("What is this?\r")
        terminal.wait_for(lambda text: "is this?" in text and text.endswith("\n>"))
        terminal.send("/show info\r")
        terminal.wait_for(lambda text: bool(re.search("pictures +│ yes", text)) and text.endswith("\n>"))
        terminal.send("\x04")
        assert terminal.wait_for_exit() == 0
    resumed = run(home, "ask", "-c", *see, "Why?")
    assert resumed.code == 0, resumed.stderr
    assert resumed.stderr == ""
    first, second = _generations(home)
    assert first.usage.decoded_tokens == first.usage.prompt_tokens
    assert second.usage.cached_tokens > first.usage.prompt_tokens - 3
    assert second.usage.decoded_tokens < 20
    blind = run(home, "ask", "-c", *GREEDY, "And now?")
    assert blind.code == 0, blind.stderr
    assert blind.stderr.startswith("chatcli: the model does not see cat.png: ")
    (kept,) = (home / "transcripts").rglob("*.pictures/*.png")
    kept.write_bytes(b"changed")
    changed = run(home, "ask", "-c", *see, "And now?")
    assert "the picture cat.png was changed" in changed.stderr


@pytest.mark.parametrize("damage", ["wrong width", "no projector", "deadly"])
def test_a_projector_that_is_none(home: Path, tmp_path: Path, cat: Path, damage: str) -> None:
    """One that is named has to be one; one that lies with the model is left out, and its model reads text."""
    model = tmp_path / "m.gguf"
    model.symlink_to(MODEL)
    beside = tmp_path / "mmproj-m.gguf"
    if damage == "no projector":
        beside.write_bytes(b"GGUF and nothing that makes sense")
    else:
        write_projector(
            beside, width=_WIDTH if damage == "deadly" else 128, heads=0 if damage == "deadly" else 4
        )
    named = run(home, "ask", "-m", str(model), "--mmproj", str(beside), "Hello")
    assert named.code == ExitCode.MODEL
    assert "mmproj-m.gguf" in named.stderr
    assert named.stderr.count("\n") == 1
    found = run(home, "ask", "-m", str(model), *GREEDY, "Hello")
    assert found.code == 0, found.stderr
    assert found.stdout.strip()
    asked = run(home, "ask", "-m", str(model), "-i", str(cat), "Hello")
    assert asked.code == ExitCode.MODEL
    assert "m cannot see cat.png: " in asked.stderr
