"""``chatcli feedback export`` as its users run it."""

import hashlib
import json
import re
import stat
from pathlib import Path

import pytest

from chatcli.chat.message import Picture, user
from chatcli.datasets.formats.table import FORMATS
from chatcli.feedback.codec import encode
from chatcli.settings import Paths
from tests.datasets.export_logs import Log, answer, sample
from tests.program import Terminal, run


def keep(home: Path, log: Log) -> Path:
    """Write the log of a home."""
    path = Paths.locate({"CHATCLI_HOME": str(home)}).feedback_log
    path.write_bytes(b"".join(encode(record) + b"\n" for record in log.records))
    return path


@pytest.fixture
def judged(fresh_home: Path) -> Path:
    """A home with one judgement of everything."""
    keep(fresh_home, sample())
    return fresh_home


def test_a_folder_is_a_dataset(judged: Path, tmp_path: Path) -> None:
    """Data, card and manifest, private; the manifest names the input and every file by hash."""
    out = tmp_path / "data"
    done = run(judged, "feedback", "export", "-o", str(out))
    assert (done.code, done.stdout) == (0, "")
    assert "8 train rows (pairs)" in done.stderr
    assert {path.name for path in out.iterdir()} == {"train.jsonl", "README.md", "manifest.json"}
    manifest = json.loads((out / "manifest.json").read_text())
    log = (judged / "feedback.jsonl").read_bytes()
    assert manifest["input"]["sha256"] == hashlib.sha256(log).hexdigest()
    (file,) = manifest["files"]
    data = (out / "train.jsonl").read_bytes()
    assert file == {
        "name": "train.jsonl", "split": "train", "rows": 8, "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    assert data.count(b"\n") == manifest["rows"]["train"] == 8
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "license: unknown" in card
    assert "| lkjsxclm | lkjsxclm.gguf |" in card
    assert stat.S_IMODE((out / "train.jsonl").stat().st_mode) == 0o600


def test_what_was_asked_about_pictures_is_left_out_aloud(fresh_home: Path, tmp_path: Path) -> None:
    """The counts, the card and the manifest have a line for it."""
    log, out = sample(), tmp_path / "data"
    log.compare([user("?", Picture("c" * 64, "cat.png"))], answer("a"), answer("b"), "left", "c9")
    keep(fresh_home, log)
    dry = run(fresh_home, "feedback", "export", "--dry-run").stdout
    assert re.search(r"^  prompt has pictures +-1$", dry, re.MULTILINE)
    assert "8 train rows (pairs)" in run(fresh_home, "feedback", "export", "-o", str(out)).stderr
    assert "prompt has pictures" in (out / "README.md").read_text(encoding="utf-8")
    assert ["prompt has pictures", -1] in json.loads((out / "manifest.json").read_text())["funnel"]


def test_the_same_export_has_the_same_bytes(judged: Path, tmp_path: Path) -> None:
    """Whatever the process's hash seed; --force replaces an export, and nothing else."""
    content = []
    out = tmp_path / "data"
    arguments = ("feedback", "export", "-o", str(out), "-f", "llama-factory", "--split", "0.5", "--redact")
    for seed in ("1", "2", "3"):
        done = run(judged, *arguments, "--force", env={"PYTHONHASHSEED": seed})
        assert done.code == 0, done.stderr
        content.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert content[0] == content[1] == content[2]
    assert "dataset_info.json" in content[0]
    assert run(judged, *arguments).code == 2
    (out / "mine.txt").write_text("mine")
    assert run(judged, "feedback", "export", "-o", str(out), "--force").code == 0
    assert {path.name for path in out.iterdir()} == {"train.jsonl", "README.md", "manifest.json", "mine.txt"}
    other = tmp_path / "other"
    other.mkdir()
    (other / "train.jsonl").write_text("mine")
    done = run(judged, "feedback", "export", "-o", str(other), "--force")
    assert done.code == 2
    assert (other / "train.jsonl").read_text() == "mine"


@pytest.mark.parametrize("name", FORMATS)
def test_stdout_carries_the_rows_and_nothing_else(judged: Path, name: str) -> None:
    """As the golden file has them, but for reasoning."""
    done = run(judged, "feedback", "export", "-f", name, "-o", "-")
    assert done.code == 0, done.stderr
    rows = json.loads(done.stdout) if FORMATS[name].array else [*map(json.loads, done.stdout.splitlines())]
    golden = Path(__file__).parents[1] / "datasets" / "golden_exports" / f"{name}.jsonl"
    assert len(rows) == len(golden.read_text(encoding="utf-8").splitlines())


def test_list_describes_every_format(fresh_home: Path) -> None:
    """With an example row that is JSON."""
    done = run(fresh_home, "feedback", "export", "--list")
    assert done.code == 0
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[::3]] == list(FORMATS)
    assert all(json.loads(line) for line in lines[1::3])


def test_a_dry_run_prints_the_funnel_and_writes_nothing(judged: Path, tmp_path: Path) -> None:
    """Every step with its number, down to the rows."""
    out = tmp_path / "data"
    done = run(judged, "feedback", "export", "--dry-run", "-o", str(out))
    assert done.code == 0
    assert not out.exists()
    steps = dict(line.rsplit(None, 1) for line in done.stdout.splitlines())
    assert {name.strip(): int(number) for name, number in steps.items()} == {
        "events in the log": 11, "retracted": -1, "retractions": -1, "live judgements": 9,
        "judged by a model": -1, "judgements taken": 8, "candidates (pairs)": 9, "answer cut short": -1,
        "rows": 8,
    }  # fmt: skip


def test_an_empty_log_is_said_to_be_one(fresh_home: Path, tmp_path: Path) -> None:
    """One line, and no folder."""
    done = run(fresh_home, "feedback", "export", "-o", str(tmp_path / "data"))
    assert done.code == 1
    assert done.stderr.startswith("chatcli: no pairs in ")
    assert not (tmp_path / "data").exists()


def test_the_log_itself_is_never_replaced(judged: Path, tmp_path: Path) -> None:
    """Not by a file, nor by a file of a folder, whatever --force says."""
    log = judged / "feedback.jsonl"
    before = log.read_bytes()
    assert run(judged, "feedback", "export", "-o", str(log), "--force").code == 2
    out = tmp_path / "data"
    assert run(judged, "feedback", "export", "-f", "raw", "-o", str(out)).code == 0
    other = out / "train.jsonl"
    again = run(judged, "feedback", "export", "--log", str(other), "-o", str(out), "--force")
    assert again.code == 2
    assert "never replaced" in again.stderr
    assert (log.read_bytes(), other.read_bytes() != b"") == (before, True)


def test_damaged_lines_are_named_and_left_out(judged: Path) -> None:
    """With the line's number; the rest is exported."""
    log = judged / "feedback.jsonl"
    lines = log.read_bytes().split(b"\n")
    log.write_bytes(b"\n".join([*lines[:2], b"{torn", *lines[2:]]) + b'{"kind":')
    done = run(judged, "feedback", "export", "-o", "-")
    assert (done.code, len(done.stdout.splitlines())) == (0, 8)
    assert f"{log}:3: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_biased_set_is_said_to_be_so(fresh_home: Path) -> None:
    """When the longer answer nearly always won."""
    log = Log()
    for number in range(30):
        log.compare([user(f"p{number}")], answer("a long answer, " * 5), answer("short"), "left")
    keep(fresh_home, log)
    done = run(fresh_home, "feedback", "export", "-o", "-")
    assert "length bias: the longer answer was preferred in 100% of the pairs" in done.stderr


def test_redaction_shows_what_changes(fresh_home: Path) -> None:
    """Before and after, on stderr; the rows are clean."""
    log = Log()
    log.correct([user("I am jane@web.de, from Atlantis")], answer("no"), "Hi, +49 171 2345678")
    keep(fresh_home, log)
    done = run(fresh_home, "feedback", "export", "-o", "-", "--redact-pattern", "Atlant[a-z]+")
    assert json.loads(done.stdout)["prompt"][0]["content"] == "I am <EMAIL>, from <REDACTED>"
    assert "redacted in 2 texts: 1 <EMAIL>, 1 <PHONE>, 1 <REDACTED>" in done.stderr
    assert "  - Hi, +49 171 2345678\n  + Hi, <PHONE>" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["-f", "alpaca"], "no format"),
        (["--split", "1.5"], "share"),
        (["--split", "0.5", "-o", "-"], "folder"),
        (["--since", "yesterday"], "--since"),
        (["--source", "thumb"], "source"),
        (["--judges", "cats"], "judges"),
        (["--reasoning", "keep", "-f", "openai"], "reasoning"),
        (["--min-rating", "11"], "rating"),
        (["-f", "raw", "--parquet"], "table"),
        (["-o", "x.json"], ".jsonl"),
        (["--review"], "terminal"),
        (["--push-to-hub", "name"], "OWNER/NAME"),
        (["--push-to-hub", "me/name"], "--yes"),
        (["--redact-pattern", "("], "regular expression"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense(judged: Path, tmp_path: Path, arguments: list[str], word: str) -> None:
    """One line, exit code 2, nothing written."""
    done = run(judged, "feedback", "export", *arguments, cwd=tmp_path)
    assert (done.code, done.stdout) == (2, "")
    assert word in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("feedback-*"))


def test_review_walks_through_the_rows(judged: Path, tmp_path: Path) -> None:
    """Keep, drop, and keep all that follow; what is dropped is not written."""
    out = tmp_path / "kept.jsonl"
    with Terminal(judged, "feedback", "export", "-o", str(out), "--review", size=(100, 50)) as terminal:
        terminal.wait_for("row 1 of 8")
        terminal.send("?\r")
        terminal.wait_for("n drops it")
        terminal.send("n\r")
        terminal.wait_for("row 2 of 8")
        terminal.send("y\r")
        terminal.wait_for("row 3 of 8")
        terminal.send("q\r")
        assert terminal.wait_for_exit() == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["source"] for row in rows] == ["comparison"]
