"""Fixtures of the library's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.library.hub_server import HubServer, Repo
from tests.library.machine import CONTENT, MODEL, Machine


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A hub with one model."""
    with HubServer({"u/r": Repo({MODEL: CONTENT, "README.md": b"# m"})}) as server:
        yield server


@pytest.fixture
def machine(hub: HubServer, tmp_path: Path) -> Machine:
    """A machine that never pulled anything."""
    return Machine(hub, tmp_path / "hub")
