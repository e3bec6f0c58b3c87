"""Registered services."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "registered_services",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("address", sa.String(300), nullable=False),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("ttl_seconds", sa.Integer, nullable=False),
        sa.Column("registered", instant, nullable=False),
        sa.Column("seen", instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registered_services"),
        sa.UniqueConstraint("tenant", "name", "address", name="uq_registered_services_tenant"),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("registered_services")
