"""Brings a database's tables up to date.

The files of ``schema/`` are numbered and are applied once each, in order; ``vedette.schema_migrations`` remembers the
number, name and checksum of each. What holds no data (the wire formats' Null tables, their views, the views of
``vedette_sql``, functions) is made anew whenever its text has changed, under a name instead of a number.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from vedette.errors import EngineError, StartError
from vedette.server.engine.cluster import created_function, created_name, render, stored_tables
from vedette.server.engine.formats import FORMATS, Format, by_name, fragments
from vedette.server.engine.fragments import expand, split_statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from vedette.server.engine.client import Engine

__all__ = ["Migration", "is_current", "load_migrations", "migrate", "prepare_format"]

_SCHEMA = files("vedette.server.engine") / "schema"
_NUMBERED = re.compile(r"^(\d{4})_(\w+)\.sql$")
_EXISTS_ERRORS = frozenset({57, 44, 15})
"""TABLE_ALREADY_EXISTS, ILLEGAL_COLUMN and DUPLICATE_COLUMN: the statement took effect before a crash."""

_LEDGER = """
CREATE TABLE IF NOT EXISTS vedette.schema_migrations
(
    number UInt32,
    name String,
    checksum FixedString(64),
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (number, name, applied_at)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """A file of statements. `number` is 0 for what holds no data and may be made anew."""

    number: int
    name: str
    statements: tuple[str, ...]
    on_demand: bool = False
    """Applied by `prepare_format` and not before."""

    @property
    def checksum(self) -> str:
        """SHA-256 of the statements, comments included."""
        return hashlib.sha256("\0".join(self.statements).encode()).hexdigest()


def load_migrations() -> list[Migration]:
    """What this version brings, in the order in which it is applied."""
    shared = fragments()
    found: list[Migration] = []
    views: list[Migration] = []
    for path in sorted(_SCHEMA.iterdir(), key=lambda item: item.name):
        if not path.name.endswith(".sql"):
            continue
        statements = tuple(split_statements(expand(path.read_text(encoding="utf-8"), shared)))
        if match := _NUMBERED.match(path.name):
            found.append(Migration(int(match[1]), match[2], statements))
        else:
            views.append(Migration(0, path.name.removesuffix(".sql"), statements))
    by_code = sorted(FORMATS.values(), key=lambda item: item.code)
    formats = [_of_format(form, shared) for item in by_code for form in (item.short, item) if form]
    return [*found, *formats, *views]


def _of_format(item: Format, shared: Mapping[str, str]) -> Migration:
    statements = tuple(split_statements(expand(item.tables_sql, {**shared, **item.fragments})))
    return Migration(0, f"format {item.name}", statements, on_demand=not item.made_at_start)


async def migrate(engine: Engine, *, cluster: str | None = None) -> None:
    """Create what is missing and change what is old. Safe to repeat, and to run again after a crash at any point.

    Args:
        engine: The engine to bring up to date.
        cluster: Name of a ClickHouse cluster to create replicated, distributed tables on.

    Raises:
        StartError: The database is from a newer version, or an applied file has been changed since.
    """
    for statement in ("CREATE DATABASE IF NOT EXISTS vedette", "CREATE DATABASE IF NOT EXISTS vedette_sql", _LEDGER):
        for text in render(statement, cluster):
            await engine.execute(text)
    applied = await _applied(engine)
    migrations = load_migrations()
    _check(migrations, applied)
    statements = [text for migration in migrations for text in migration.statements]
    there = await _without_rows(engine)
    for name in there - {created_name(text) for text in statements}:
        await _drop(engine, name, cluster)  # it would go on filling tables
    missing = [migration for migration in migrations if not _is_applied(migration, applied)]
    if not applied:
        # Nothing is in the tables of a new database before all are there, so that all can be done once more after a
        # crash; a note takes as long as a table.
        for migration in missing:
            await _apply(engine, migration, cluster, stored_tables(statements), there)
        await _note(engine, missing)
        return
    for migration in missing:
        await _apply(engine, migration, cluster, stored_tables(statements), there)
        await _note(engine, [migration])


async def prepare_format(engine: Engine, item: Format, *, cluster: str | None = None) -> None:
    """Create the tables of a format, if they are not there. Safe to repeat."""
    if item.through:
        await prepare_format(engine, by_name(item.through), cluster=cluster)
    migration = _of_format(item, fragments())
    if (await _applied(engine)).get((0, migration.name)) == migration.checksum:
        return
    stored = stored_tables([text for one in load_migrations() for text in one.statements])
    await _apply(engine, migration, cluster, stored, await _without_rows(engine))
    await _note(engine, [migration])


def _is_applied(migration: Migration, applied: Mapping[tuple[int, str], str]) -> bool:
    found = applied.get((migration.number, migration.name))
    return found == migration.checksum or (found is None and migration.on_demand)


async def is_current(engine: Engine) -> bool:
    """Whether everything that this version needs has been applied. False, too, before the first `migrate`."""
    try:
        applied = await _applied(engine)
    except EngineError:
        return False
    return all(_is_applied(item, applied) for item in load_migrations())


async def _applied(engine: Engine) -> dict[tuple[int, str], str]:
    rows = await engine.rows(
        "SELECT number, name, argMax(checksum, applied_at) AS checksum FROM vedette.schema_migrations GROUP BY ALL"
    )
    applied = {(row["number"], row["name"]): row["checksum"] for row in rows}
    # Functions belong to the engine and not to the database: one that was restored has the note, and not the functions.
    functions = await engine.rows("SELECT name FROM system.functions WHERE origin = 'SQLUserDefined'")
    there = {str(row["name"]) for row in functions}
    for migration in load_migrations():
        if not there.issuperset(filter(None, map(created_function, migration.statements))):
            applied.pop((migration.number, migration.name), None)
    return applied


def _check(migrations: list[Migration], applied: dict[tuple[int, str], str]) -> None:
    known = {migration.number: migration for migration in migrations if migration.number}
    for (number, name), checksum in applied.items():
        if number == 0:
            continue
        ours = known.get(number)
        if ours is None:
            raise StartError(
                f"The database is from a newer version of Vedette: it has migration {number:04}_{name}, and this "
                f"version knows only {max(known):04} and below; start the newer version or restore a backup."
            )
        if ours.name != name or ours.checksum != checksum:
            raise StartError(
                f"Migration {number:04}_{name} was applied to the database with another text than this version has; "
                "install the version that created it, or restore a backup."
            )


async def _without_rows(engine: Engine) -> set[str]:
    """The views and Null tables that there are."""
    rows = await engine.rows(
        "SELECT concat(database, '.', name) AS name FROM system.tables "
        "WHERE database IN ('vedette', 'vedette_sql') AND engine IN ('Null', 'View', 'MaterializedView')"
    )
    return {str(row["name"]) for row in rows}


async def _drop(engine: Engine, name: str, cluster: str | None) -> None:
    on_cluster = f" ON CLUSTER '{cluster}'" if cluster else ""
    await engine.execute(f"DROP TABLE IF EXISTS {name}{on_cluster} SYNC")


async def _apply(
    engine: Engine, migration: Migration, cluster: str | None, stored: frozenset[str], there: Collection[str]
) -> None:
    if migration.number == 0:
        for statement in reversed(migration.statements):
            name = created_name(statement)
            # Another node of a cluster may have what this one has not.
            if name is not None and name not in stored and (cluster or name in there):
                await _drop(engine, name, cluster)
    for statement in migration.statements:
        for text in render(statement, cluster, stored):
            try:
                await engine.execute(text)
            except EngineError as error:
                if error.code not in _EXISTS_ERRORS:
                    raise


async def _note(engine: Engine, migrations: Sequence[Migration]) -> None:
    """Remember what has been applied."""
    await engine.execute(
        "INSERT INTO vedette.schema_migrations (number, name, checksum) "
        "SELECT item.1, item.2, item.3 "
        "FROM (SELECT arrayJoin({applied:Array(Tuple(UInt32, String, String))}) AS item)",
        params={"applied": [(one.number, one.name, one.checksum) for one in migrations]},
    )
