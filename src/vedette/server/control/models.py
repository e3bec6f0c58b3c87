"""The control database's tables, as SQLAlchemy sees them. `migrations/` creates and changes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from vedette.server.control.tenants import MAX_TENANT_LENGTH

if TYPE_CHECKING:
    from sqlalchemy import Dialect

__all__ = [
    "AlertStateRow",
    "ApiKeyRow",
    "ApiKeyTenantRow",
    "Base",
    "LogLevelRow",
    "MetaRow",
    "RegisteredServiceRow",
    "SavedViewRow",
    "ScopeSet",
    "TenantRow",
    "UtcDateTime",
]


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. Stored in UTC and read back with its zone, also by SQLite, which keeps none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse an instant without a zone, which would mean something else on every machine."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give SQLite's naive values their zone back, and PostgreSQL's the one that everything here uses."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ScopeSet(TypeDecorator[frozenset[str]]):
    """A key's scopes, as their sorted names with commas between."""

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: frozenset[str] | None, dialect: Dialect) -> str | None:
        """Write the names in one order, so that equal sets are equal texts."""
        del dialect
        return None if value is None else ",".join(sorted(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> frozenset[str] | None:
        """Read the names back."""
        del dialect
        return None if value is None else frozenset(value.split(",")) if value else frozenset()


class Base(DeclarativeBase):
    """What the models share. Constraints are named alike on every database, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
        }
    )


class TenantRow(Base):
    """A tenant: made by the first telemetry that names it, or by the first key for it."""

    __tablename__ = "tenants"

    name: Mapped[str] = mapped_column(String(MAX_TENANT_LENGTH), primary_key=True)
    first_seen: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiKeyRow(Base):
    """An API key, without its secret. A revoked key keeps its row, so that its holder can be told so."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(8), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    scopes: Mapped[frozenset[str]] = mapped_column(ScopeSet)
    all_tenants: Mapped[bool]
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    expires: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used: Mapped[datetime | None] = mapped_column(UtcDateTime)

    tenants: Mapped[list[ApiKeyTenantRow]] = relationship(lazy="selectin", order_by="ApiKeyTenantRow.tenant")


class ApiKeyTenantRow(Base):
    """A tenant that a key may act for. A key for all tenants has none of these rows."""

    __tablename__ = "api_key_tenants"

    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.name"), primary_key=True)


class MetaRow(Base):
    """Small saved state: one value by name."""

    __tablename__ = "meta"

    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class SavedViewRow(Base):
    """What a page showed, kept under a name for all readers of a tenant. `state` is a JSON object."""

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("tenant", "page", "name"),)

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(MAX_TENANT_LENGTH))
    page: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    updated: Mapped[datetime] = mapped_column(UtcDateTime)


class LogLevelRow(Base):
    """The level that programs of a service are told for a logger; `*` is every service, `root` every logger."""

    __tablename__ = "log_levels"

    tenant: Mapped[str] = mapped_column(String(MAX_TENANT_LENGTH), primary_key=True)
    service: Mapped[str] = mapped_column(String(200), primary_key=True)
    logger: Mapped[str] = mapped_column(String(200), primary_key=True)
    level: Mapped[str] = mapped_column(String(16))
    updated: Mapped[datetime] = mapped_column(UtcDateTime)


class RegisteredServiceRow(Base):
    """A service that registered itself. `metrics` is the URL of its metrics or empty, `labels` a JSON object."""

    __tablename__ = "registered_services"
    __table_args__ = (UniqueConstraint("tenant", "name", "address"),)

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(MAX_TENANT_LENGTH))
    name: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(300))
    metrics: Mapped[str] = mapped_column(Text)
    labels: Mapped[str] = mapped_column(Text)
    ttl_seconds: Mapped[int]
    registered: Mapped[datetime] = mapped_column(UtcDateTime)
    seen: Mapped[datetime] = mapped_column(UtcDateTime)


class AlertStateRow(Base):
    """The alerts of a group of rules when it was evaluated last; `id` stands for its name, `state` is a JSON object."""

    __tablename__ = "alert_states"

    tenant: Mapped[str] = mapped_column(String(MAX_TENANT_LENGTH), primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    rule_group: Mapped[str] = mapped_column(Text)
    evaluated_ms: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
