"""A throw-away PostgreSQL server for tests."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg


class Cluster:
    """A PostgreSQL server on a Unix socket in its own directory."""

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

    def query(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def new_database(self) -> str:
        name = f"t_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://{self.user}@/{database}?host={quote(str(self.directory), safe='')}"

    def close(self) -> None:
        self._run("pg_ctl", "-D", str(self.directory / "data"), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.directory, ignore_errors=True)
