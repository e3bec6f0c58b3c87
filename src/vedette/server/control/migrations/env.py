"""Alembic's entry: runs the migrations on the connection, and inside the transaction, that `schema.upgrade` holds."""

from __future__ import annotations

from alembic import context

from vedette.server.control.models import Base
from vedette.server.control.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
