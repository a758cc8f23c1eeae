"""``chatcli feedback import``: foreign feedback is taken in once, marked with its origin, and comes back."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from chatcli.datasets.formats.table import FORMATS
from chatcli.settings import Paths
from tests.datasets.export_logs import exported, sample
from tests.program import run

KINDS = ("openwebui", "arena", "hh-rlhf", "dpo", "kto")


def written(path: Path, rows: list[Any]) -> Path:
    """A file of lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def records(home: Path) -> list[dict[str, Any]]:
    """What is in the log."""
    log = Paths.locate({"CHATCLI_HOME": str(home)}).feedback_log
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_exported_comes_back(fresh_home: Path, tmp_path: Path, kind: str) -> None:
    """Once: a second import finds everything already imported. Exported again, the rows are the same."""
    rows = [row for _, row in exported(sample().records, kind)]
    text = json.dumps(rows) if FORMATS[kind].array else "".join(json.dumps(row) + "\n" for row in rows)
    file = tmp_path / "data.json"
    file.write_text(text, encoding="utf-8")
    first = run(fresh_home, "feedback", "import", "--from", kind, str(file))
    assert (first.code, first.stdout) == (0, "")
    assert f"{len(rows)} imported" in first.stderr
    again = run(fresh_home, "feedback", "import", "--from", kind, str(file))
    assert f"{len(rows)} already imported" in again.stderr
    found = records(fresh_home)
    assert len(found) == len(rows)
    assert {record["origin"] for record in found} == {f"import:{kind}"}
    assert all(record["foreign_id"] for record in found)
    back = run(fresh_home, "feedback", "export", "-f", kind, "-o", "-", "--no-marks", "--include-cut")
    assert back.code == 0, back.stderr
    out = json.loads(back.stdout) if FORMATS[kind].array else [*map(json.loads, back.stdout.splitlines())]
    assert [_said(row) for row in out] == [_said(row) for row in rows]


def _said(row: dict[str, Any]) -> Any:
    """What a row says, without ids, times and marks."""
    if "data" in row:
        messages = row["snapshot"]["chat"]["chat"]["history"]["messages"].values()
        return row["data"], [(m["role"], m["content"]) for m in messages]
    own = {"question_id", "source", "group", "weight"}
    return {name: value for name, value in row.items() if name not in own}


def test_a_compressed_file_is_read(fresh_home: Path, tmp_path: Path) -> None:
    """As HH-RLHF is published."""
    file = tmp_path / "train.jsonl.gz"
    row = {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"}
    file.write_bytes(gzip.compress(json.dumps(row).encode() + b"\n"))
    assert run(fresh_home, "feedback", "import", "--from", "hh-rlhf", str(file)).code == 0
    (record,) = records(fresh_home)
    assert [said["content"] for said in record["answers"]] == ["b", "c"]


def test_a_rating_of_open_webui(fresh_home: Path, tmp_path: Path) -> None:
    """With what only its snapshot holds: the branch that was rated, the person, the score."""
    messages = {
        "m1": {"id": "m1", "parentId": None, "role": "user", "content": "Hi"},
        "m2": {"id": "m2", "parentId": "m1", "role": "assistant", "content": "Hello"},
        "m3": {"id": "m3", "parentId": "m1", "role": "assistant", "content": "Go away"},
    }
    feedback = {
        "id": "f1", "user_id": "u1", "version": 0, "type": "rating",
        "data": {"rating": -1, "model_id": "qwen", "reason": "dont_like_the_style", "comment": "rude",
                 "tags": ["manners"], "details": {"rating": 2}},
        "meta": {"arena": False, "message_id": "m3", "chat_id": "chat-1"},
        "snapshot": {"chat": {"chat": {"history": {"messages": messages, "currentId": "m2"}}}},
        "created_at": 1700000000, "updated_at": 1700000100,
    }  # fmt: skip
    file = tmp_path / "feedback.json"
    file.write_text(json.dumps([feedback]))
    assert run(fresh_home, "feedback", "import", "--from", "openwebui", str(file)).code == 0
    (record,) = records(fresh_home)
    assert record["answer"] == {"content": "Go away", "provenance": {"model": {"name": "qwen"}}}
    assert (record["thumb"], record["score"], record["comment"]) == (-1, 2, "rude")
    assert (record["reasons"], record["tags"]) == (["dont_like_the_style"], ["manners"])
    assert record["target"] == {"transcript": "chat-1", "messages": ["m3"]}
    assert record["time"] == "2023-11-14T22:15:00Z"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_none_costs_itself_only(fresh_home: Path, tmp_path: Path, kind: str) -> None:
    """Hostile and damaged rows are named with their line; good ones are taken; the exit code says so."""
    good = next(row for _, row in exported(sample().records, kind))
    bad: list[Any] = [
        None,
        7,
        [],
        {},
        {"prompt": 1, "chosen": 2, "rejected": 3},
        {"winner": "me"},
        {"data": [], "meta": 1},
    ]
    file = written(tmp_path / "data.jsonl", [*bad, good])
    with file.open("ab") as more:
        more.write(b"{torn\n" + b"[" * 100_000 + b"\n" + b'{"prompt": "\xff"}\n')
    done = run(fresh_home, "feedback", "import", "--from", kind, str(file))
    assert done.code == 5
    assert f"1 imported, {len(bad) + 3} unusable" in done.stderr
    assert f"{file}:1: " in done.stderr
    assert "Traceback" not in done.stderr
    assert len(records(fresh_home)) == 1


def test_a_dry_run_takes_nothing_in(fresh_home: Path, tmp_path: Path) -> None:
    """It says what it would."""
    file = written(tmp_path / "x.jsonl", [{"prompt": "a", "completion": "b", "label": True}])
    done = run(fresh_home, "feedback", "import", "--from", "kto", str(file), "--dry-run")
    assert "1 to import" in done.stderr
    assert not Paths.locate({"CHATCLI_HOME": str(fresh_home)}).feedback_log.exists()


def test_a_row_that_is_there_twice_is_taken_once(fresh_home: Path, tmp_path: Path) -> None:
    """In one file as in two; the order of its columns makes no difference."""
    row = {"prompt": "a", "completion": "b", "label": True}
    file = written(tmp_path / "x.jsonl", [row, row, dict(reversed(row.items()))])
    done = run(fresh_home, "feedback", "import", "--from", "kto", str(file))
    assert "1 imported, 2 already imported" in done.stderr
    assert len(records(fresh_home)) == 1


def test_what_makes_no_sense(fresh_home: Path, tmp_path: Path) -> None:
    """An unknown format, a file that is not there: one line each."""
    for arguments in (["--from", "csv", "x"], ["--from", "dpo", str(tmp_path / "none")]):
        done = run(fresh_home, "feedback", "import", *arguments)
        assert (done.code, len(done.stderr.splitlines())) == (2, 1)


def test_records_are_those_of_the_log(fresh_home: Path, tmp_path: Path) -> None:
    """They pass validation, and what was retracted is not taken in again."""
    file = written(tmp_path / "x.jsonl", [{"prompt": "a", "completion": "b", "label": True}])
    run(fresh_home, "feedback", "import", "--from", "kto", str(file))
    assert run(fresh_home, "feedback", "validate").code == 0
    assert run(fresh_home, "feedback", "retract", "last").code == 0
    again = run(fresh_home, "feedback", "import", "--from", "kto", str(file))
    assert "1 already imported" in again.stderr
