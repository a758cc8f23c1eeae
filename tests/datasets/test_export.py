"""The pipeline without a screen: options and a log in, rows, files and a report out."""

import io
import json
from pathlib import Path

import pytest

from chatcli.chat.message import user
from chatcli.datasets.export import ExportOptions, export, export_rows
from chatcli.datasets.rules import Rules
from chatcli.datasets.splits import DatasetSplit
from chatcli.errors import ChatcliError, UsageError
from chatcli.feedback.codec import encode

from .export_logs import Log, answer, sample


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with one judgement of everything."""
    path = tmp_path / "feedback.jsonl"
    path.write_bytes(b"".join(encode(record) + b"\n" for record in sample().records))
    return path


def test_rows_are_taken_in_memory(log: Path) -> None:
    """As training takes them: no folder, no screen; the report has the counts."""
    options = ExportOptions(log, "kto", Rules(ties="skip"))
    report = options.report()
    rows = [row for _, row in export_rows(options, report)]
    assert {row["source"] for row in rows} == {"thumbs", "comparison", "ranking", "edit"}
    assert report.labels.total() == report.funnel.rows.total() == len(rows)
    assert report.models.total() == len(rows)


def test_a_folder_holds_what_the_report_says(log: Path, tmp_path: Path) -> None:
    """Data by split, card and manifest; every row that is in memory is in a file."""
    out = tmp_path / "data"
    options = ExportOptions(log, "dpo", split=DatasetSplit(0.5))
    report = export(options, out)
    assert sorted(path.name for path in out.iterdir()) == sorted(report.written)
    found = [
        (file.split, json.loads(line))
        for file in report.files
        for line in (out / file.name).read_text(encoding="utf-8").splitlines()
    ]
    assert sorted(map(str, found)) == sorted(map(str, export_rows(options)))
    with pytest.raises(UsageError, match="already exists"):
        export(options, out)


def test_a_stream_and_a_file_get_the_same_rows(log: Path, tmp_path: Path) -> None:
    """Rows alone."""
    stream, out = io.BytesIO(), tmp_path / "rows.jsonl"
    export(ExportOptions(log, "sft"), stream)
    export(ExportOptions(log, "sft"), out)
    assert out.read_bytes() == stream.getvalue() != b""


def test_progress_reaches_the_end_of_each_step(log: Path) -> None:
    """Bytes read of the log, then rows of those planned."""
    seen: list[tuple[str, int, int]] = []
    export(ExportOptions(log), None, progress=lambda *step: seen.append(step))
    size = log.stat().st_size
    assert [step for step in seen if step[0] == "reading"][-1] == ("reading", size, size)
    assert [step for step in seen if step[0] == "writing"][-1] == ("writing", 8, 8)
    assert all(0 < done <= total for _, done, total in seen)


def test_rows_that_are_not_kept_are_counted(log: Path, tmp_path: Path) -> None:
    """The review decides on each row and knows how many there are."""
    out = tmp_path / "rows.jsonl"
    report = export(ExportOptions(log), out, keep=lambda row, total: total == 8 and row["source"] == "edit")
    assert len(out.read_bytes().splitlines()) == 1
    assert report.funnel.dropped["dropped in review"] == 7


def test_nothing_is_left_behind_by_a_failure(log: Path, tmp_path: Path) -> None:
    """No rows, or a failure on the way: no file."""
    log.write_bytes(b"")
    with pytest.raises(ChatcliError, match="no pairs in"):
        export(ExportOptions(log), tmp_path / "a")
    assert not (tmp_path / "a").exists()

    def fail(_row: object, _total: int) -> bool:
        raise ChatcliError("stop")

    more = Log()
    more.compare([user("p")], answer("a"), answer("b"), "left")
    log.write_bytes(encode(more.records[0]) + b"\n")
    with pytest.raises(ChatcliError, match="stop"):
        export(ExportOptions(log), tmp_path / "b.jsonl", keep=fail)
    assert [path.name for path in tmp_path.iterdir()] == ["feedback.jsonl"]


def test_options_that_do_not_go_together_are_refused(log: Path) -> None:
    """When they are made, not when rows are."""
    for options in ({"format": "alpaca"}, {"split": DatasetSplit(1.5)}, {"format": "raw", "parquet": True}):
        with pytest.raises(UsageError):
            ExportOptions(log, **options)
    with pytest.raises(UsageError, match="no field for reasoning"):
        ExportOptions(log, "openai", Rules(reasoning="keep"))
