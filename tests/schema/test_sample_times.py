"""Times of samples kept as seconds and milliseconds past them: every one comes back, those from before the change too."""

from __future__ import annotations

from vedette.server.engine.formats import fragments
from vedette.server.engine.migrate import load_migrations

TIMES = (0, 1, 999, 1000, 1001, 1_790_000_000_007, 1_790_000_000_999, 1_790_000_001_000, 1_790_000_001_001)
EARLIER = (-1, -999, -1000, -1001)


async def test_every_time_comes_back_from_before_and_after_the_change(tenant):
    engine = tenant.database.engine
    schema = {item.number: item.statements for item in load_migrations() if item.number}
    await engine.execute("CREATE DATABASE times")
    (create,) = (text for text in schema[2] if "CREATE TABLE vedette.samples\n" in text)
    await engine.execute(create.replace("vedette.samples", "times.samples"))
    for text in schema[9]:
        await engine.execute(text.replace("vedette.samples", "times.samples"))
    head = "INSERT INTO times.samples (tenant, series, scale, units, {}) SELECT 't', {}, 0, 7, {} FROM ({})"
    rows = f"SELECT arrayJoin({[*TIMES, *EARLIER]}::Array(Int64)) AS at_ms"
    await engine.execute(head.format("time", 1, "fromUnixTimestamp64Milli(at_ms, 'UTC')", rows))
    for text in schema[13]:
        if "vedette.samples " in text:
            await engine.execute(text.replace("vedette.samples", "times.samples"))
    for _ in range(2):  # the same again counts once
        await engine.execute(head.format("time, ms", 2, fragments()["SampleTime"], rows))
    expected = sorted([*TIMES, *EARLIER])
    for statement in ("SELECT 1", "OPTIMIZE TABLE times.samples FINAL"):
        await engine.execute(statement)
        found = await engine.rows(
            "SELECT series, groupArray(toUnixTimestamp64Milli(at)) AS times FROM "
            "(SELECT series, at FROM times.samples FINAL ORDER BY series, time, ms) GROUP BY series ORDER BY series"
        )
        assert [[int(at) for at in row["times"]] for row in found] == [expected, expected]
    await engine.execute("DROP DATABASE times")
