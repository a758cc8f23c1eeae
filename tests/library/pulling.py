"""Runs ``chatcli pull`` against the hub on this machine."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.library.hub_server import HubServer, Repo
from tests.program import MODEL, Run, run

REPO = "test/lkjsxclm-GGUF"
PROGRAM = [
    sys.executable,
    "-c",
    "from chatcli.cli import main, pull; main.app.command('pull')(pull.pull); main.main()",
]


def bundled_repo() -> Repo:
    """The bundled model as a repository on the hub."""
    return Repo({"README.md": b"# A model\n", MODEL.name: MODEL.read_bytes()})


def environment(hub: HubServer, cache: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What makes the program ask this hub, without a token or proxy of the developer's."""
    return {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_CACHE": str(cache),
        "HF_HOME": str(cache.parent / "hf"),
        "HF_TOKEN": "",
        "HF_HUB_OFFLINE": "",
        "NO_PROXY": "127.0.0.1",
        **(extra or {}),
    }


def pull(
    hub: HubServer,
    home: Path,
    *arguments: str,
    cache: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Run:
    """Run ``chatcli pull ARGUMENTS``."""
    return run(home, "pull", *arguments, env=environment(hub, cache or home / "hub", env), command=PROGRAM)


def pull_json(hub: HubServer, home: Path, *arguments: str, **more: Any) -> list[dict[str, Any]]:
    """What ``chatcli pull --json ARGUMENTS`` says of the files."""
    done = pull(hub, home, "--json", *arguments, **more)
    assert done.code == 0, done.stderr
    files: list[dict[str, Any]] = json.loads(done.stdout)["files"]
    return files
