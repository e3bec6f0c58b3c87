"""Opening a control database: made, upgraded, or refused with one sentence that says what to do."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from vedette.errors import SettingsError, StartError
from vedette.server.control import database, schema
from vedette.server.control.database import available, reading, writing
from vedette.server.control.models import Base
from vedette.server.control.store import open_control

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection
    from throwaway_postgresql import Cluster


def refusal(url: str) -> str:
    with pytest.raises(StartError) as refused:
        open_control(url)
    message = str(refused.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def tables(connection: Connection) -> dict[str, object]:
    inspector = inspect(connection)
    return {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(name)],
            inspector.get_pk_constraint(name),
            sorted(inspector.get_foreign_keys(name), key=str),
            sorted(inspector.get_unique_constraints(name), key=str),
            sorted(inspector.get_indexes(name), key=str),
        )
        for name in inspector.get_table_names()
    }


def test_a_new_database_is_what_the_migrations_make(control_url: str) -> None:
    open_control(control_url).close()
    engine = database.connect(control_url)
    with writing(engine) as connection:
        new = tables(connection)
        for name in new:
            connection.execute(text(f"DROP TABLE {name}" + (" CASCADE" if engine.name == "postgresql" else "")))
        schema._migrate(connection, "")
        assert tables(connection) == new
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE})
        assert compare_metadata(context, Base.metadata) == []
        assert context.get_current_revision() == schema.REVISION
    engine.dispose()


def test_the_newest_migration_is_the_revision_that_opening_expects() -> None:
    assert ScriptDirectory.from_config(schema.alembic_config()).get_heads() == [schema.REVISION]


def test_an_existing_database_is_opened_as_it_is(control_url: str) -> None:
    with open_control(control_url) as control:
        key = control.create_key(name="", scopes=["read"]).key
    with open_control(control_url) as control:
        assert control.list_keys() == [key]


def test_a_database_from_a_newer_version_is_refused_untouched(control_url: str) -> None:
    open_control(control_url).close()
    engine = database.connect(control_url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"))
    message = refusal(control_url)
    assert "has schema 9999, made by a newer Vedette" in message
    assert "restore the backup" in message
    with engine.connect() as connection:
        assert connection.scalar(text(f"SELECT version_num FROM {schema.VERSION_TABLE}")) == "9999"
    engine.dispose()


def test_an_upgrade_that_fails_leaves_nothing_half_done(control_url: str) -> None:
    engine = database.connect(control_url)
    with engine.begin() as connection:
        # The last table of the first migration is in the way.
        connection.execute(text("CREATE TABLE meta (mine INTEGER)"))
    assert "meta" in refusal(control_url)
    with engine.begin() as connection:
        assert engine.dialect.get_table_names(connection) == ["meta"]
        connection.execute(text("DROP TABLE meta"))
    engine.dispose()
    open_control(control_url).close()


OPEN = """
import sys
from vedette.server.control.store import open_control
print(len(open_control(sys.argv[1]).list_keys()))
"""


def test_processes_that_open_a_new_database_at_once_all_succeed(control_url: str) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, control_url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    answers = [process.communicate() for process in started]
    assert [out for out, _ in answers] == ["0\n"] * 4, answers


def test_nodes_that_start_together_upgrade_postgresql_in_turn(cluster: Cluster, postgresql_url: str) -> None:
    with psycopg.connect(postgresql_url) as holder, ThreadPoolExecutor(1) as thread:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [schema._UPGRADE_LOCK])
        opening = thread.submit(open_control, postgresql_url)
        while not cluster.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            assert not opening.done()
            time.sleep(0.02)
        holder.rollback()
        opening.result().close()


def test_a_new_database_and_an_up_to_date_one_are_opened_without_loading_alembic(control_url: str) -> None:
    code = f"{OPEN}\nprint('alembic' in sys.modules)"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code, control_url], capture_output=True, text=True, check=True)
        assert done.stdout == "0\nFalse\n"


# SQLite


def test_the_file_and_its_companions_are_private(sqlite_path: Path) -> None:
    old = os.umask(0)
    try:
        with open_control(f"sqlite:///{sqlite_path}") as control:
            control.set_meta("a", "1")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in sqlite_path.parent.iterdir()}
    finally:
        os.umask(old)
    assert modes == {"control.db": 0o600, "control.db-wal": 0o600, "control.db-shm": 0o600}
    assert stat.S_IMODE(sqlite_path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_made_private(sqlite_path: Path) -> None:
    open_control(f"sqlite:///{sqlite_path}").close()
    sqlite_path.chmod(0o644)
    open_control(f"sqlite:///{sqlite_path}").close()
    assert stat.S_IMODE(sqlite_path.stat().st_mode) == 0o600


def test_sqlite_runs_as_a_write_ahead_log_with_foreign_keys(sqlite_path: Path) -> None:
    with open_control(f"sqlite:///{sqlite_path}") as control, available(reading, control._engine) as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "foreign_keys")
        }
        assert pragmas == {"journal_mode": "wal", "foreign_keys": 1}
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 5000


def test_a_locked_database_is_refused_at_start(sqlite_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_SECONDS", 0.2)
    sqlite_path.parent.mkdir()
    holder = sqlite3.connect(sqlite_path)
    holder.execute("BEGIN EXCLUSIVE")
    assert "is locked by another process" in refusal(f"sqlite:///{sqlite_path}")
    holder.close()
    open_control(f"sqlite:///{sqlite_path}").close()


def test_a_file_that_is_no_database_is_refused_untouched(sqlite_path: Path) -> None:
    sqlite_path.parent.mkdir()
    sqlite_path.write_bytes(b"these are notes, not pages\n" * 100)
    message = refusal(f"sqlite:///{sqlite_path}")
    assert f"{sqlite_path} is not a readable control database" in message
    assert sqlite_path.read_bytes().startswith(b"these are notes")


def test_a_directory_in_place_of_the_file_is_refused(sqlite_path: Path) -> None:
    sqlite_path.mkdir(parents=True)
    assert "is no regular file" in refusal(f"sqlite:///{sqlite_path}")


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "Cannot open the control database" in refusal(f"sqlite:///{tmp_path / 'file' / 'control.db'}")


@pytest.fixture
def ordinary_user(tmp_path: Path) -> Iterator[None]:
    """Root may read everything, so a test of permissions stops being root for a while."""
    if os.geteuid() != 0:
        yield
        return
    directory = tmp_path
    while stat.S_IMODE(directory.stat().st_mode) & 0o001 == 0:
        directory.chmod(directory.stat().st_mode | 0o011)
        directory = directory.parent
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("made_first", [True, False])
def test_a_file_of_another_user_is_refused(tmp_path: Path, *, made_first: bool, request: pytest.FixtureRequest) -> None:
    path = tmp_path / "data" / "control.db"
    path.parent.mkdir()
    if made_first:
        open_control(f"sqlite:///{path}").close()
        if os.geteuid() != 0:
            pytest.skip("Only root can make a file that belongs to somebody else.")
    path.parent.chmod(0o755 if made_first else 0o555)
    request.getfixturevalue("ordinary_user")
    message = refusal(f"sqlite:///{path}")
    assert message.startswith(f"Cannot open the control database {path}: Permission denied.")
    assert "Run as the user that owns it" in message


# PostgreSQL


def test_an_unreachable_postgresql_is_refused_without_its_password() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    message = refusal(f"postgresql://vedette:hunter2@127.0.0.1:{port}/control")
    assert f"postgresql+psycopg://vedette:***@127.0.0.1:{port}/control" in message
    assert "Check that PostgreSQL runs there" in message
    assert "hunter2" not in message


def test_a_database_that_does_not_exist_is_refused(postgresql_url: str) -> None:
    assert "does not exist" in refusal(postgresql_url.replace("@/t_", "@/nothing_"))


# URLs


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "is not a database URL"),
        ("", "is not a database URL"),
        ("postgresql://user:hunter2@host:port/x", "is not a database URL"),
        ("mysql://root:hunter2@host/db", "names mysql"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_a_url_that_is_none_is_refused_without_repeating_it(url: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as refused:
        open_control(url)
    assert "write sqlite:////path/control.db or postgresql://" in str(refused.value)
    assert "hunter2" not in str(refused.value)
