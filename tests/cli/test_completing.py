"""Completion in the shell: commands, models, conversations, personas."""

from pathlib import Path

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.message import user
from chatcli.settings import Paths
from chatcli.storage.transcripts import TranscriptStore
from tests.program import environment, run


def offered(home: Path, line: str) -> str:
    """What zsh is told at the end of a line."""
    done = run(home, env={"_CHATCLI_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line})
    assert done.stderr == ""
    return done.stdout


def test_names_are_completed(home: Path) -> None:
    """Of commands, models, conversations with their titles, and personas; a damaged setting is no error."""
    conversation = Conversation(title="About rain")
    conversation.append(user("hi"))
    TranscriptStore(Paths.locate(environment(home)).transcripts).add(conversation).close()
    (home / "config.toml").write_text('[personas.brief]\nsystem = "Short."\n')
    assert '"transcripts"' in offered(home, "chatcli tran")
    assert '"lkjsxclm"' in offered(home, "chatcli -m lk")
    assert f'"{conversation.id}":"About rain"' in offered(home, "chatcli transcripts show 2")
    assert conversation.id in offered(home, "chatcli -r ")
    assert '"brief"' in offered(home, "chatcli -p b")
    (home / "config.toml").write_text("nonsense")
    assert "brief" not in offered(home, "chatcli -p b")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_how(home: Path, shell: str) -> None:
    """``--show-completion`` prints a script for the shell."""
    done = run(home, "--show-completion", shell)
    assert done.code == 0
    assert "_CHATCLI_COMPLETE" in done.stdout
