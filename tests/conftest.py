"""Fixtures of all tests."""

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty folder for the user data of one test."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder
