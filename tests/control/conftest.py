"""A control database of each kind, empty, for every test that asks for one."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest

from vedette.server.control.store import open_control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vedette.server.control.store import Control


class Cluster:
    """A throw-away PostgreSQL server on a Unix socket in its own directory."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # Not under pytest's own directory, which other users may not enter: initdb refuses to run as root.
        self.directory = Path(tempfile.mkdtemp(prefix="vedette-pg-"))
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self.user = "postgres" if self._as_user else getpass.getuser()
        if self._as_user:
            shutil.chown(self.directory, "postgres")
        self._run(
            "initdb", "-D", str(self.directory / "data"), "-A", "trust", "-N", "-E", "UTF8", "--locale", "C.UTF-8"
        )
        settings = f"-c listen_addresses='' -c unix_socket_directories='{self.directory}' -c fsync=off"
        self._run("pg_ctl", "-D", str(self.directory / "data"), "-w", "-o", settings, "-l", "/dev/null", "start")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._programs / program), *arguments]
        done = subprocess.run(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def new_database(self) -> str:
        name = f"t_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://{self.user}@/{database}?host={quote(str(self.directory), safe='')}"

    def close(self) -> None:
        self._run("pg_ctl", "-D", str(self.directory / "data"), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.directory, ignore_errors=True)


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
