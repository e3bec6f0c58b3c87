"""A throw-away PostgreSQL server for tests."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psycopg

# However the tests end, a kill included, their end of the pipe closes and the server is stopped.
UNTIL_INPUT_ENDS = """
"$1" -D "$2/data" -c listen_addresses= -c unix_socket_directories="$2" -c fsync=off &
read -r _
kill -INT $!
wait $!
"""


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
        self._process = subprocess.Popen(
            [*self._as_user, "sh", "-c", UNTIL_INPUT_ENDS, "sh", str(programs / "postgres"), str(self.directory)],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not self._answers():
            assert self._process.poll() is None, "PostgreSQL did not start"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

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
        self._process.communicate()
        shutil.rmtree(self.directory, ignore_errors=True)
