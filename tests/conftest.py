"""Fixtures of all tests."""

import shutil
from pathlib import Path

import pytest

from chatcli.engine.trial.probe import probe
from chatcli.settings import Paths
from tests.program import MODEL


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first load of the bundled model found here, so that no test needs to find it again."""
    file = tmp_path_factory.mktemp("verdicts") / "probe.json"
    probe(MODEL, file).raise_for_failure()
    return file


@pytest.fixture
def fresh_home(tmp_path: Path) -> Path:
    """An empty folder for the user data of one test: a machine on which chatcli never ran."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def home(fresh_home: Path, verdicts: Path) -> Path:
    """A folder for the user data of one test; only the verdict on the bundled model is known."""
    paths = Paths.locate({"CHATCLI_HOME": str(fresh_home)})
    paths.probe_verdicts.parent.mkdir(mode=0o700)
    shutil.copy(verdicts, paths.probe_verdicts)
    return fresh_home
