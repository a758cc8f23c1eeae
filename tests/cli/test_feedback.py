"""``chatcli feedback``, through the whole program."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chatcli.chat.message import Message, Picture, assistant, user
from chatcli.errors import ExitCode
from chatcli.feedback.records import Record, Target, comparison, correction, rating
from chatcli.storage.feedback.log import FeedbackLog
from tests.feedback.golden import ANSWERS, PROMPT, golden_records
from tests.program import Run
from tests.program import run as run_program

NASTY = "\x1b]52;c;aGk=\x07\x9b31m\u202eabc"


def run(home: Path, *arguments: str, code: int = 0, editor: str = "") -> Run:
    """Run ``chatcli feedback ARGUMENTS``; nothing it prints acts on a terminal."""
    done = run_program(home, "feedback", *arguments, env={"EDITOR": editor, "VISUAL": ""})
    assert done.code == code, done.stderr
    assert "Traceback" not in done.stderr
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", done.stderr + done.stdout)
    return done


def log_of(home: Path) -> FeedbackLog:
    """The log of this home."""
    return FeedbackLog(home / "feedback.jsonl")


def at(*messages: int) -> Target:
    """A target."""
    return Target(transcript="20261120-173012-k7qxd", messages=messages)


@pytest.fixture
def judged(fresh_home: Path) -> tuple[Path, list[Record]]:
    """A home with four judgements: good, bad, a comparison, a correction."""
    nasty: list[Message] = [user(NASTY)]
    records: list[Record] = [
        rating(PROMPT, ANSWERS[0], at(2), thumb=1, reasons=("accurate_information",)),
        rating(nasty, assistant(NASTY, NASTY), at(4), thumb=-1, comment=NASTY, reasons=(NASTY,)),
        comparison(PROMPT, (ANSWERS[0], ANSWERS[1]), at(6, 7), winner="right", left=1, blind=True),
        correction(PROMPT, ANSWERS[1], at(8), edited="A lock."),
    ]
    log = log_of(fresh_home)
    for record in records:
        log.append(record)
    return fresh_home, records


def listed(home: Path, *arguments: str) -> list[dict[str, Any]]:
    """What ``list --json`` prints."""
    found: list[dict[str, Any]] = json.loads(run(home, "list", "--json", *arguments).stdout)
    return found


def test_list_shows_what_counts_newest_first(judged: tuple[Path, list[Record]]) -> None:
    """One line each; filters; whole records as JSON."""
    home, records = judged
    lines = run(home, "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [r.id.rpartition("-")[2] for r in reversed(records)]
    assert "good" in lines[3]
    assert "(accurate)" in lines[3]
    ids = [r.id for r in records]
    assert [r["id"] for r in listed(home, "--last", "2")] == [ids[3], ids[2]]
    assert [r["id"] for r in listed(home, "--good")] == [ids[0]]
    assert [r["id"] for r in listed(home, "--bad")] == [ids[1]]
    assert [r["id"] for r in listed(home, "--good", "--bad")] == [ids[1], ids[0]]
    assert [r["id"] for r in listed(home, "--kind", "comparison")] == [ids[2]]
    assert [r["id"] for r in listed(home, "--model", "qwen3")] == [ids[3], ids[2], ids[0]]
    assert "no kind 'x'" in run(home, "list", "--kind", "x", code=ExitCode.USAGE).stderr


def test_retract_takes_back_and_keeps(judged: tuple[Path, list[Record]]) -> None:
    """It leaves the list, stays in the log, and is not taken back twice."""
    home, records = judged
    run(home, "retract", records[0].id, "--comment", "wrong key")
    assert [r["id"] for r in listed(home)] == [r.id for r in reversed(records[1:])]
    everything = listed(home, "--all")
    assert [r["fate"] for r in everything] == ["mark", "live", "live", "live", "retracted"]
    assert everything[0]["comment"] == "wrong key"
    again = run(home, "retract", records[0].id, code=ExitCode.USAGE)
    assert "does not count any more" in again.stderr


def test_edit_replaces_by_options(judged: tuple[Path, list[Record]]) -> None:
    """Thumb, score, reasons by their beginnings, comment, tags; provenance and prompt stay."""
    home, records = judged
    options = ["--bad", "--score", "3", "--reason", "too lon", "--comment", "hm", "--tag", "x"]
    run(home, "edit", records[0].id, *options)
    new = listed(home, "--last", "1")[0]
    assert (new["thumb"], new["score"], new["comment"], new["tags"]) == (-1, 3, "hm", ["x"])
    assert new["reasons"] == ["too_verbose"]
    assert new["replaces"] == records[0].id
    old = json.loads(run(home, "show", records[0].id, "--json").stdout)
    assert old["fate"] == "edited"
    assert (new["answer"], new["prompt"]) == (old["answer"], old["prompt"])


@pytest.mark.parametrize(("number", "options", "wanted"), [
    (0, ["--score", "11"], "score"),
    (0, ["--good", "--bad"], "exclude each other"),
    (0, ["--reason", "acurate"], "did you mean accurate_information"),
    (2, ["--good"], "a comparison has no thumb"),
])  # fmt: skip
def test_senseless_edits_change_nothing(
    judged: tuple[Path, list[Record]], number: int, options: list[str], wanted: str
) -> None:
    """One line says why."""
    home, records = judged
    before = log_of(home).path.read_bytes()
    assert wanted in run(home, "edit", records[number].id, *options, code=ExitCode.USAGE).stderr
    assert log_of(home).path.read_bytes() == before


def test_edit_in_an_editor(judged: tuple[Path, list[Record]]) -> None:
    """What may be changed is shown as JSON; what was not saved as JSON, or not changed, changes nothing."""
    home, records = judged
    run(home, "edit", records[3].id, editor="sed -i s/lock/mutex/")
    assert listed(home, "--last", "1")[0]["edited"] == "A mutex."
    assert "nothing was changed" in run(home, "edit", "last", editor="true").stderr
    bad = run(home, "edit", "last", editor="sed -i 1d", code=ExitCode.USAGE)
    assert "not JSON" in bad.stderr
    assert len(list(log_of(home).read())) == 5


def test_show_shows_everything_harmlessly(judged: tuple[Path, list[Record]]) -> None:
    """The prompt, the answers with their origin, the verdict."""
    home, records = judged
    text = run(home, "show", records[2].id).stdout
    for part in (
        "comparison: A is better",
        "What is a mutex?",
        "answer A (right, better)",
        "seed 42",
        "Q4_K_M",
    ):
        assert part in text
    run(home, "show", records[1].id)
    assert "no judgement" in run(home, "show", "zzz", code=ExitCode.USAGE).stderr


def test_pictures_are_named(fresh_home: Path) -> None:
    """In the list and in full, before the words, harmlessly."""
    pictures = Picture("c" * 64, "cat.png"), Picture("d" * 64, NASTY)
    log_of(fresh_home).append(rating([user("Which?", *pictures)], assistant("Both."), thumb=1))
    assert "[picture: cat.png] [picture: " in run(fresh_home, "list").stdout
    assert re.search(r"\[picture: cat.png\]\n(.*\n)+Which\?", run(fresh_home, "show", "last").stdout)


def test_stats_in_all_forms(judged: tuple[Path, list[Record]], tmp_path: Path) -> None:
    """On the terminal, as JSON, and as a page that needs nothing else."""
    home, _ = judged
    text = run(home, "stats").stdout
    assert "judgements that count 4" in re.sub(" +", " ", text)
    assert json.loads(run(home, "stats", "--json").stdout)["kinds"]["rating"] == 2
    page = tmp_path / "stats.html"
    run(home, "stats", "--html", str(page))
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "judgements that count" in run(tmp_path, "stats").stdout  # of an empty log


def test_validate_names_damage_and_moves_it_aside(judged: tuple[Path, list[Record]]) -> None:
    """File, line and fault; code 5; --repair deletes nothing."""
    home, _ = judged
    path = log_of(home).path
    assert run(home, "validate").stdout == ""
    sound = path.read_bytes()
    path.write_bytes(b'{"kind":"rating","schema":1}\n' + sound + b'{"torn')
    damaged = run(home, "validate", code=ExitCode.DATA)
    assert [line.split(": ")[0] for line in damaged.stdout.splitlines()] == [f"{path}:1", f"{path}:6"]
    assert "--repair" in damaged.stderr
    assert run(home, "validate", str(path), code=ExitCode.DATA).stdout == damaged.stdout
    run(home, "validate", "--repair")
    assert path.read_bytes() == sound
    assert path.with_name("feedback.jsonl.damaged").read_bytes() == b'{"kind":"rating","schema":1}\n{"torn\n'
    run(home, "validate")
    run(home, "validate", "nofile", code=ExitCode.USAGE)


def test_path_and_an_old_log(fresh_home: Path) -> None:
    """Where it is; and every command takes the records of the first version."""
    assert run(fresh_home, "path").stdout == f"{fresh_home / 'feedback.jsonl'}\n"
    assert "no such judgements" in run(fresh_home, "list").stderr
    for record in golden_records():
        log_of(fresh_home).append(record)
    for command in (["list", "--all"], ["stats"], ["validate"], ["show", "zz81ab"], ["show", "n8p9qr"]):
        run(fresh_home, *command)
