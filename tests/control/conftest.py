"""A control database of each kind, empty, for every test that asks for one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from throwaway_postgresql import Cluster

from vedette.server.control.store import open_control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vedette.server.control.store import Control


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = installed[-1] if installed else shutil.which("initdb")
    if not found:
        pytest.skip("PostgreSQL is not installed; the package postgresql brings it.")
    server = Cluster(Path(found).parent)
    yield server
    server.close()


@pytest.fixture
def postgresql_url(cluster: Cluster) -> str:
    return cluster.new_database()


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "control.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def control_url(request: pytest.FixtureRequest) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    return f"sqlite:///{request.getfixturevalue('sqlite_path')}"


@pytest.fixture
def opened(control_url: str) -> Iterator[Callable[[], Control]]:
    """Open the test's database as many times as asked: each one is what another process would hold."""
    controls: list[Control] = []

    def open_one() -> Control:
        controls.append(open_control(control_url))
        return controls[-1]

    yield open_one
    for control in controls:
        control.close()


@pytest.fixture
def control(opened: Callable[[], Control]) -> Control:
    return opened()
