"""Tenants, API keys and small saved state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the first tables."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "tenants",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("first_seen", instant, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tenants"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(8), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", sa.String(64), nullable=False),
        sa.Column("all_tenants", sa.Boolean, nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("created", instant, nullable=False),
        sa.Column("expires", instant),
        sa.Column("revoked", instant),
        sa.Column("last_used", instant),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_table(
        "api_key_tenants",
        sa.Column("key_id", sa.String(8), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "tenant", name="pk_api_key_tenants"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_api_key_tenants_key_id"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_api_key_tenants_tenant"),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )


def downgrade() -> None:
    """Remove everything."""
    for table in ("meta", "api_key_tenants", "api_keys", "tenants"):
        op.drop_table(table)
