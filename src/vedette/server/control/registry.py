"""Services that register themselves: who is there, where, and since when nothing was heard of it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import delete, func, insert, select, update

from vedette.errors import InvalidInput, NotFound
from vedette.server.control.database import available, reading, writing
from vedette.server.control.models import RegisteredServiceRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine
    from sqlalchemy.engine import RowMapping

__all__ = ["MAX_SERVICES", "RegisteredService", "ServiceRegistry"]

MAX_SERVICES: Final = 10_000
"""Services of one tenant at most."""
_KEPT: Final = timedelta(days=1)
"""A service that was not heard of for so long is forgotten at the next registration."""


@dataclass(frozen=True, slots=True)
class RegisteredService:
    """One service. `metrics` is where its metrics are scraped, empty if nowhere."""

    id: str
    name: str
    address: str
    metrics: str
    labels: dict[str, str]
    ttl_seconds: int
    registered: datetime
    seen: datetime

    def is_up(self, now: datetime) -> bool:
        """Whether it was heard of within its time to live."""
        return now - self.seen <= timedelta(seconds=self.ttl_seconds)

    def target(self) -> tuple[str, dict[str, str]]:
        """Where its metrics are (host and port), and its labels as Prometheus' discovery has them.

        `job` is its name and `instance` its address; the service's own labels cannot change them.
        """
        parts = urlsplit(self.metrics)
        port = {"http": 80, "https": 443}[parts.scheme] if parts.port is None else parts.port
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        about = {
            "__scheme__": parts.scheme,
            "__metrics_path__": parts.path or "/",
            "__meta_vedette_service_id": self.id,
            "__meta_vedette_service_address": self.address,
            "job": self.name,
            "instance": self.address,
        }
        own = {name: text for name, text in self.labels.items() if not name.startswith("__")}
        return f"{host}:{port}", {**own, **{f"__param_{key}": text for key, text in parse_qsl(parts.query)}, **about}


class ServiceRegistry:
    """The services of all tenants. Every method is about one tenant and raises `Unavailable` on a fault."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self, tenant: str, name: str = "") -> list[RegisteredService]:
        """The services, or those of a name, by name and address."""
        statement = select(RegisteredServiceRow.__table__).where(RegisteredServiceRow.tenant == tenant)
        if name:
            statement = statement.where(RegisteredServiceRow.name == name)
        with available(reading, self._engine) as connection:
            ordered = statement.order_by(RegisteredServiceRow.name, RegisteredServiceRow.address)
            return [_service(row) for row in connection.execute(ordered).mappings()]

    def scraped(self, now: datetime) -> dict[str, list[RegisteredService]]:
        """The services of all tenants that are up and have metrics, by tenant."""
        found: dict[str, list[RegisteredService]] = {}
        row = RegisteredServiceRow
        statement = select(row.__table__).where((row.metrics != "") & (row.seen >= now - _KEPT))
        with available(reading, self._engine) as connection:
            for entry in connection.execute(statement.order_by(row.name, row.address)).mappings():
                service = _service(entry)
                if service.is_up(now):
                    found.setdefault(entry["tenant"], []).append(service)
        return found

    def register(
        self, tenant: str, *, name: str, address: str, metrics: str, labels: Mapping[str, str], ttl_seconds: int
    ) -> RegisteredService:
        """Know of a service; the same name at the same address is the same service, with what is said of it now.

        Raises:
            InvalidInput: the tenant has too many services.
        """
        now = datetime.now(UTC)
        row = RegisteredServiceRow
        same = (row.tenant == tenant) & (row.name == name) & (row.address == address)
        facts = {"metrics": metrics, "labels": json.dumps(dict(labels)), "ttl_seconds": ttl_seconds, "seen": now}
        with available(writing, self._engine) as connection:
            connection.execute(delete(row).where((row.tenant == tenant) & (row.seen < now - _KEPT)))
            if not connection.execute(update(row).where(same).values(**facts)).rowcount:
                count = select(func.count()).select_from(row).where(row.tenant == tenant)
                if (connection.scalar(count) or 0) >= MAX_SERVICES:
                    raise InvalidInput(f"{MAX_SERVICES:,} services are registered already; deregister some.")
                about = {"id": secrets.token_hex(8), "tenant": tenant, "name": name, "address": address}
                connection.execute(insert(row).values(**about, **facts, registered=now))
            return _service(connection.execute(select(row.__table__).where(same)).mappings().one())

    def heartbeat(self, tenant: str, service_id: str) -> RegisteredService:
        """Note that a service is there.

        Raises:
            NotFound: the tenant has no such service; it must register again.
        """
        found = (RegisteredServiceRow.tenant == tenant) & (RegisteredServiceRow.id == service_id)
        with available(writing, self._engine) as connection:
            noted = update(RegisteredServiceRow).where(found).values(seen=datetime.now(UTC))
            if not connection.execute(noted).rowcount:
                raise _missing(service_id)
            return _service(connection.execute(select(RegisteredServiceRow.__table__).where(found)).mappings().one())

    def deregister(self, tenant: str, service_id: str) -> None:
        """Forget a service.

        Raises:
            NotFound: the tenant has no such service.
        """
        found = (RegisteredServiceRow.tenant == tenant) & (RegisteredServiceRow.id == service_id)
        with available(writing, self._engine) as connection:
            if not connection.execute(delete(RegisteredServiceRow).where(found)).rowcount:
                raise _missing(service_id)


def _missing(service_id: str) -> NotFound:
    return NotFound(f"No service is registered as {service_id[:40]!a}; register it again.")


def _service(row: RowMapping) -> RegisteredService:
    return RegisteredService(
        row["id"],
        row["name"],
        row["address"],
        row["metrics"],
        json.loads(row["labels"]),
        row["ttl_seconds"],
        row["registered"],
        row["seen"],
    )
