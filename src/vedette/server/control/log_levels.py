"""Log levels that running programs are told: by tenant, service and logger."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select

from vedette.errors import InvalidInput, NotFound
from vedette.server.control.database import available, reading, writing
from vedette.server.control.models import LogLevelRow
from vedette.server.control.revision import insert_of, raise_revision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Engine

__all__ = ["EVERY_SERVICE", "LEVELS", "LevelTable", "LogLevel", "LogLevels"]

EVERY_SERVICE: Final = "*"
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_MOST_LEVELS: Final = 1_000
_LOGGER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")


@dataclass(frozen=True, slots=True)
class LogLevel:
    """The level of a logger and those below it, `root` for all, in the programs of a service, `*` for all services."""

    service: str
    logger: str
    level: str
    updated: datetime


@dataclass(slots=True)
class LevelTable:
    """The levels of all tenants as programs are told them, in memory."""

    _told: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def replace(self, rows: Iterable[tuple[str, LogLevel]]) -> None:
        """Tell from now on what these rows, each with its tenant, say."""
        told: dict[tuple[str, str], dict[str, str]] = {}
        for tenant, row in rows:
            told.setdefault((tenant, row.service), {})[row.logger] = row.level
        self._told = told

    def of(self, tenant: str, service: str) -> str:
        """``logger=level,…`` for the programs of a service; what is said of a service itself counts more. Or empty."""
        if not self._told:
            return ""
        levels = self._told.get((tenant, EVERY_SERVICE), {}) | self._told.get((tenant, service), {})
        return ",".join(f"{logger}={level}" for logger, level in sorted(levels.items()))


class LogLevels:
    """The stored levels. Every method raises `Unavailable` on a fault."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self, tenant: str) -> list[LogLevel]:
        """A tenant's levels, by service and logger."""
        return [row for _, row in self._rows(LogLevelRow.tenant == tenant)]

    def of_all_tenants(self) -> list[tuple[str, LogLevel]]:
        """Every level with its tenant, for a `LevelTable`."""
        return self._rows()

    def set(self, tenant: str, service: str, logger: str, level: str) -> LogLevel:
        """Set a level, or change it. Programs hear of it with the next answer to what they send.

        Raises:
            InvalidInput: there is no such level, a name is unfit, or the tenant has too many levels.
        """
        _check(service, logger, level)
        made = LogLevel(service, logger, level, datetime.now(UTC))
        with available(writing, self._engine) as connection:
            count = select(func.count()).select_from(LogLevelRow).where(LogLevelRow.tenant == tenant)
            if (connection.scalar(count) or 0) >= _MOST_LEVELS:
                raise InvalidInput(f"There are {_MOST_LEVELS:,} log levels already; remove some.")
            row = {"tenant": tenant, "service": service, "logger": logger, "level": level, "updated": made.updated}
            changed = {"level": level, "updated": made.updated}
            keys = [LogLevelRow.tenant, LogLevelRow.service, LogLevelRow.logger]
            statement = insert_of(connection, LogLevelRow).values(row)
            connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))
            raise_revision(connection)
        return made

    def remove(self, tenant: str, service: str, logger: str) -> None:
        """Forget a level: programs go back to their own.

        Raises:
            NotFound: there is none for this service and logger.
        """
        found = (LogLevelRow.tenant == tenant) & (LogLevelRow.service == service) & (LogLevelRow.logger == logger)
        with available(writing, self._engine) as connection:
            if not connection.execute(delete(LogLevelRow).where(found)).rowcount:
                raise NotFound(f"No log level is set for the logger {logger[:100]!a} of the service {service[:100]!a}.")
            raise_revision(connection)

    def _rows(self, *conditions: Any) -> list[tuple[str, LogLevel]]:  # noqa: ANN401 - SQLAlchemy's expressions
        table = LogLevelRow.__table__
        statement = select(table).where(*conditions).order_by(LogLevelRow.service, LogLevelRow.logger)
        with available(reading, self._engine) as connection:
            return [
                (row["tenant"], LogLevel(row["service"], row["logger"], row["level"], row["updated"]))
                for row in connection.execute(statement).mappings()
            ]


def _check(service: str, logger: str, level: str) -> None:
    if level not in LEVELS:
        raise InvalidInput(f"There is no log level {level[:40]!a}; the levels are {', '.join(LEVELS)}.")
    if not _LOGGER.fullmatch(logger):
        raise InvalidInput(f"{logger[:100]!a} is no logger's name; write for example app.payments, or root for all.")
    if not service.isprintable() or not 1 <= len(service) <= 200:  # noqa: PLR2004 - as the column is wide
        raise InvalidInput("A service's name has 1 to 200 printable characters; * is every service.")
