"""What alerts were when they were evaluated last, so that they go on after a restart, on whichever node."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from vedette.server.control.database import available, reading, writing
from vedette.server.control.models import AlertStateRow
from vedette.server.control.revision import insert_of

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["AlertStateStore", "SavedAlerts"]


@dataclass(frozen=True, slots=True)
class SavedAlerts:
    """The alerts of a group as of a moment (milliseconds since 1970); only the group knows what `state` means."""

    evaluated_ms: int
    state: dict[str, Any]


class AlertStateStore:
    """The alerts of groups of rules that have any. Every method raises `Unavailable` on a fault."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self, tenant: str) -> dict[str, SavedAlerts]:
        """What is saved of a tenant's groups, by their names."""
        with available(reading, self._engine) as connection:
            rows = connection.execute(select(AlertStateRow.__table__).where(AlertStateRow.tenant == tenant)).mappings()
            return {row["rule_group"]: SavedAlerts(row["evaluated_ms"], json.loads(row["state"])) for row in rows}

    def save(self, tenant: str, group: str, evaluated_ms: int, state: dict[str, Any] | None) -> None:
        """Keep a group's alerts as of a moment; without `state` they are what was saved before."""
        with available(writing, self._engine) as connection:
            if state is None:
                connection.execute(update(AlertStateRow).where(_of(tenant, group)).values(evaluated_ms=evaluated_ms))
                return
            changed = {"evaluated_ms": evaluated_ms, "state": json.dumps(state, separators=(",", ":"))}
            row = {"tenant": tenant, "id": _id(group), "rule_group": group, **changed}
            statement = insert_of(connection, AlertStateRow).values(row)
            keys = [AlertStateRow.tenant, AlertStateRow.id]
            connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))

    def forget(self, tenant: str, group: str) -> None:
        """A group has no alerts any more, or is gone."""
        with available(writing, self._engine) as connection:
            connection.execute(delete(AlertStateRow).where(_of(tenant, group)))


def _of(tenant: str, group: str) -> Any:  # noqa: ANN401 - SQLAlchemy's expression
    return (AlertStateRow.tenant == tenant) & (AlertStateRow.id == _id(group))


def _id(group: str) -> str:
    """A group's name has any length, and no index does."""
    return hashlib.blake2b(group.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
