"""Bring a control database to the schema of this version, and refuse one from a newer version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table, inspect, text

from vedette.errors import StartError
from vedette.server.control.database import DATABASE_ERRORS, reading, shown, start_error, writing
from vedette.server.control.models import Base

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine

__all__ = ["REVISION", "VERSION_TABLE", "alembic_config", "upgrade"]

REVISION: Final = "0005"
"""The newest migration. Known without loading Alembic, which a new database and an up-to-date one never need."""

VERSION_TABLE: Final = "schema_version"

_UPGRADE_LOCK: Final = 0x76656465747465
"""PostgreSQL advisory lock that nodes starting together take in turn ("vedette" in ASCII)."""


def upgrade(engine: Engine) -> None:
    """Create or upgrade the schema in one transaction; several processes may do so at once.

    Raises:
        StartError: the database is from a newer version, is locked, cannot be read or cannot be reached.
    """
    try:
        with reading(engine) as connection:
            if _current(connection) == REVISION:
                return
        with writing(engine) as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
            if inspect(connection).get_table_names():
                _migrate(connection, shown(engine))
            else:
                _create(connection)
    except DATABASE_ERRORS as error:
        raise start_error(engine, error) from error


def alembic_config() -> Config:
    """Return Alembic's configuration for the migrations inside this package."""
    from alembic.config import Config  # noqa: PLC0415 - a quarter of a second that only an upgrade has to spend

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    row = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).first()  # noqa: S608 - our own constant
    return None if row is None else str(row[0])


def _create(connection: Connection) -> None:
    """Make what the migrations would make of an empty database, without loading Alembic."""
    Base.metadata.create_all(connection)
    version = Column("version_num", String(32), nullable=False)
    table = Table(VERSION_TABLE, MetaData(), version, PrimaryKeyConstraint(version, name=f"{VERSION_TABLE}_pkc"))
    table.create(connection)
    connection.execute(table.insert().values(version_num=REVISION))


def _migrate(connection: Connection, name: str) -> None:
    from alembic import command  # noqa: PLC0415 - see alembic_config
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - the same

    config = alembic_config()
    current = _current(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise StartError(
            f"The control database {name} has schema {current}, made by a newer Vedette than this one ({REVISION}); "
            "install that version again, or restore the backup taken before the upgrade."
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
