"""The number that says that the control state has changed, to every process that keeps some of it in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import BigInteger, Text, cast, select
from sqlalchemy.dialects import sqlite

from vedette.server.control.models import MetaRow

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.dialects import postgresql

    from vedette.server.control.models import Base

__all__ = ["REVISION_KEY", "insert_of", "raise_revision", "revision_of"]

REVISION_KEY: Final = "revision"


def insert_of(connection: Connection, row: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """The database's own INSERT, which knows ON CONFLICT; both spell it alike."""
    if connection.dialect.name != "postgresql":
        return sqlite.insert(row)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - a tenth of a second of each process, which few need

    return postgresql.insert(row)


def revision_of(connection: Connection) -> int:
    """The revision that a transaction sees."""
    value = connection.scalar(select(MetaRow.value).where(MetaRow.key == REVISION_KEY))
    return int(value) if value else 0


def raise_revision(connection: Connection) -> None:
    """Say, in the transaction that changes keys, tenants or log levels, that they change.

    On PostgreSQL the row's lock also puts such transactions in one order, so a revision once seen is complete.
    """
    following = cast(cast(MetaRow.value, BigInteger) + 1, Text)
    first = insert_of(connection, MetaRow).values(key=REVISION_KEY, value="1")
    connection.execute(first.on_conflict_do_update(index_elements=[MetaRow.key], set_={"value": following}))
