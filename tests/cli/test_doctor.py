"""``chatcli doctor``."""

import json
from pathlib import Path

from tests.program import MODEL, run


def test_doctor_as_data(home: Path) -> None:
    """``--json`` gives one object with everything the text shows."""
    record = json.loads(run(home, "doctor", "--json").stdout)
    assert {"chatcli", "python", "packages", "cpu", "memory", "library", "disks", "paths", "model"} <= set(
        record
    )
    assert record["model"]["outcome"] == "ok"
    assert Path(record["model"]["file"]) == MODEL
    assert "CPU" in record["library"]["backends"]
    assert record["paths"]["transcripts"] == str(home / "transcripts")
    assert all(disk["free"] > 0 for disk in record["disks"])


def test_the_verdict_is_remembered(fresh_home: Path) -> None:
    """A model is tried once on a machine; the second time its verdict is known."""
    assert json.loads(run(fresh_home, "doctor", "--json").stdout)["model"]["remembered"] is False
    assert json.loads(run(fresh_home, "doctor", "--json").stdout)["model"]["remembered"] is True


def test_a_model_that_is_none_is_named(home: Path) -> None:
    """Doctor reports what is wrong with a model instead of failing."""
    (home / "models").mkdir()
    (home / "models" / "page.gguf").write_bytes(b"<html>404</html>")
    done = run(home, "doctor", "-m", "page")
    assert done.code == 0
    assert "page.gguf" in done.stdout
    assert run(home, "doctor", "-m", "absent").stdout.count("there is no model 'absent'") == 1
