"""The figures per service: those of the spans, whether they came before the tables were made or after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp_values import traces
from test_schema_flattening import NOW, a_span

from vedette.server.engine.migrate import migrate

if TYPE_CHECKING:
    from schema_engine import Tenant

MINUTE = 60 * 10**9
FIGURES = (
    "{time}, service, served, sum(count) AS spans, sum(error_count) AS errors, "
    "quantilesDDMerge(0.01, 0.5, 0.99)(durations) AS times"
)
ORDER = "GROUP BY {time}, service, served ORDER BY {time}, service, served"


async def _kept(tenant: Tenant) -> list[list[dict]]:
    tables = [
        await tenant.rows(FIGURES.format(time=time), f"red_service_{time}", ORDER.format(time=time))
        for time in ("minute", "hour")
    ]
    return [*tables, await tenant.rows("DISTINCT minute, service, version", "service_versions", "ORDER BY ALL")]


async def test_an_attempt_to_fill_the_tables_that_was_broken_off_is_repeated_without_harm(tenant: Tenant) -> None:
    for number in range(6):
        start = NOW + number % 3 * 25 * MINUTE
        span = a_span(start_time_unix_nano=start, end_time_unix_nano=start + (number + 1) * 10**6)
        span.kind = 2 + number % 2
        span.status.code = 2 if number == 0 else 0
        resource = {"service.name": "shop"} | ({"service.version": f"1.{number % 2}"} if number < 4 else {})
        await tenant.load("otlp_traces", traces(span, resource=resource))
    minutes, hours, versions = kept = await _kept(tenant)
    for table in (minutes, hours):
        assert sum(row["spans"] for row in table) == 6
        assert sum(row["errors"] for row in table) == 1
        assert {row["served"] for row in table} == {True, False}
    assert len({row["minute"] for row in minutes}) == 3
    assert {row["version"] for row in versions} == {"1.0", "1.1", ""}
    # As after a crash between the last statement and the note that all were run: everything is there already.
    engine = tenant.database.engine
    await engine.execute("DELETE FROM vedette.schema_migrations WHERE number = 11")
    await migrate(engine)
    assert await _kept(tenant) == kept
    await tenant.load("otlp_traces", traces(a_span(start_time_unix_nano=NOW, end_time_unix_nano=NOW + 1)))
    assert sum(row["spans"] for row in (await _kept(tenant))[1]) == 7
