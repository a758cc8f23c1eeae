"""What the commands on transcripts make of judgements: found by them, and removed with them when asked."""

import json
from pathlib import Path

from chatcli.errors import ExitCode
from chatcli.session.judging import AnswerJudging
from chatcli.settings import Paths
from chatcli.storage.feedback.log import FeedbackLog
from chatcli.storage.transcripts.store import TranscriptStore
from tests.program import run


def ask_and_judge(home: Path, question: str, *, good: bool) -> str:
    """A one-shot answer, and what is thought of it later. Returns the conversation's name."""
    assert run(home, "ask", "-m", "scripted:", question).code == ExitCode.OK
    paths = Paths.locate({"CHATCLI_HOME": str(home)})
    conversation = TranscriptStore(paths.transcripts).read("last").conversation
    conversation.started = conversation.started.replace(year=2020)
    AnswerJudging(FeedbackLog(paths.feedback_log)).rate(conversation, 2, thumb=1 if good else -1)
    return conversation.id


def test_rated_is_searched_and_removed(home: Path) -> None:
    """``rated:`` finds what the log says; ``rm`` leaves the judgements alone, ``rm --feedback`` does not."""
    one = ask_and_judge(home, "the first secret", good=True)
    two = ask_and_judge(home, "the second secret", good=True)
    three = ask_and_judge(home, "the third one", good=False)
    found = json.loads(run(home, "transcripts", "search", "--json", "rated:good").stdout)
    assert {(hit["id"], hit["message"]) for hit in found} == {(one, 2), (two, 2)}
    log = home / "feedback.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    done = run(home, "transcripts", "rm", "--yes", one)
    assert (done.code, log.read_bytes()) == (ExitCode.OK, b"".join(lines))
    done = run(home, "transcripts", "rm", "--yes", "--feedback", two)
    assert done.code == ExitCode.OK
    assert "removed 1 record of the feedback log" in done.stderr
    assert log.read_bytes() == lines[0] + lines[2]
    assert json.loads(run(home, "transcripts", "search", "--json", "rated:good").stdout) == []
    found = json.loads(run(home, "transcripts", "search", "--json", "rated:bad").stdout)
    assert [hit["id"] for hit in found] == [three]
