"""Who called whom, of many calls at once: the same while halves wait, after minutes were counted, and behind a restart."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from vedette.server.engine.cluster import created_name
from vedette.server.engine.migrate import load_migrations
from vedette.server.engine.rollups import EdgeRoller
from vedette.server.query.reader import Limits, Reader
from vedette.server.query.services.red import service_map
from vedette.server.query.timerange import TimeRange

if TYPE_CHECKING:
    from schema_engine import EngineProcess

MINUTE = 60
CALLS = 20_000
SERVICES = ["gateway", "orders", "payments", "mail"]
DELAYS = [0, 0, 0, 0, 1, 1, 2, 5, 9, 10, 11, None]
"""Minutes from a call's first half to its other one; a half waits ten, and None never comes."""

Edges = dict[tuple[str, str, str], tuple[int, int]]


def milliseconds(client: str, server: str) -> int:
    return 10 + 7 * SERVICES.index(client) + 31 * SERVICES.index(server)


def half(number: int, tenant: str, minute: int, **fields: Any) -> dict[str, Any]:
    trace_id, span_id = f"{number // 4:016}", f"{number:08}"
    return {"tenant": tenant, "arrived": minute, "trace_id": trace_id, "span_id": span_id, **fields}


def calls(start: int) -> tuple[list[dict[str, Any]], dict[str, Edges]]:
    """Halves of calls in any order, some of which come twice, and what is to be counted of them per tenant."""
    rng, halves = random.Random(2), []
    count: dict[str, Counter[tuple[str, str, str]]] = {"north": Counter(), "south": Counter()}
    errors: dict[str, Counter[tuple[str, str, str]]] = {"north": Counter(), "south": Counter()}
    for number in range(CALLS):
        # Ids are the client's own choice: another tenant's may be the same, and its calls other ones.
        for tenant in ("north", "south") if number % 3 == 0 else ("north",):
            client, server = rng.choice(SERVICES), rng.choice(SERVICES)
            first, delay, failed = start + rng.randrange(4) * MINUTE, rng.choice(DELAYS), rng.randrange(20)
            shared = {
                "day": time.strftime("%Y-%m-%d", time.gmtime(start)),
                "time": start + rng.randrange(600),
                "messaging": number % 10 == 0,
            }
            caller = {"called": False, "service": client, "duration_ns": milliseconds(client, server) * 10**6}
            called = {"called": True, "service": server, "duration_ns": 1}
            sides = [{**shared, **caller, "failed": failed == 1}, {**shared, **called, "failed": failed in {1, 2}}]
            rng.shuffle(sides)
            halves.append(half(number, tenant, first, **sides[0]))
            if delay is not None:
                halves.append(half(number, tenant, first + delay * MINUTE, **sides[1]))
            met = delay is not None and delay <= 10
            if met and rng.randrange(10) == 0:  # a batch that was sent again, as its answer was lost
                again = first + rng.choice([0, 1, 3]) * MINUTE
                halves += [half(number, tenant, again, **side) for side in sides[: 2 if delay == 0 else 1]]
            if met:
                edge = (client, server, "messaging" if shared["messaging"] else "call")
                count[tenant][edge] += 1
                errors[tenant][edge] += failed in {1, 2}
    return halves, {name: {edge: (n, errors[name][edge]) for edge, n in count[name].items()} for name in count}


async def insert(database: EngineProcess, halves: list[dict[str, Any]], table: str = "call_halves") -> None:
    body = "".join(json.dumps(row) + "\n" for row in halves).encode()
    await database.engine.insert(f"vedette.{table}", "JSONEachRow", body)


async def set_clock(database: EngineProcess, minute: int) -> None:
    """Set the graph's clock, before anything has been counted."""
    await database.engine.execute("TRUNCATE TABLE vedette.edge_clock")
    await database.engine.execute(f"INSERT INTO vedette.edge_clock (opened) VALUES ({minute})")


async def opened(database: EngineProcess) -> int:
    """The minute in which halves arrive, of the service graph's own clock."""
    return int(await database.value("SELECT toUnixTimestamp(max(opened)) FROM vedette.edge_clock"))


async def count_all(database: EngineProcess) -> int:
    """Let minutes pass until every one has been counted, and its halves have gone."""
    counted = 0
    while int(await database.value("SELECT count() FROM vedette.call_halves")):
        counted += await EdgeRoller(database.engine).roll()
    return counted


async def shown(reader: Reader, tenant: str, start: int) -> Edges:
    range_ = TimeRange((start - 60) * 10**9, (start + 1200) * 10**9)
    edges = json.loads(await service_map(reader, tenant, range_=range_))["edges"]
    for edge in edges:
        assert edge["p50_ms"] == pytest.approx(milliseconds(edge["client"], edge["server"]), rel=0.02)
    return {
        (edge["client"], edge["server"], edge["connection_type"]): (edge["request_count"], edge["error_count"])
        for edge in edges
    }


async def test_calls_are_counted_once_however_their_halves_come(database: EngineProcess) -> None:
    start = int(time.time()) // MINUTE * MINUTE - 20 * MINUTE
    halves, expected = calls(start)
    reader = Reader(database.engine, Limits())
    await reader.prepare()
    between = start + 2 * MINUTE
    await set_clock(database, between + 2 * MINUTE)
    await insert(database, [row for row in halves if row["arrived"] <= between])
    assert await EdgeRoller(database.engine).roll() == 3
    await insert(database, [row for row in halves if row["arrived"] > between])
    for name, edges in expected.items():
        assert await shown(reader, name, start) == edges
    assert await count_all(database) == 12
    for name, edges in expected.items():
        assert await shown(reader, name, start) == edges
    await database.restart()
    await EdgeRoller(database.engine).roll()
    for name, edges in expected.items():
        assert await shown(reader, name, start) == edges


async def test_what_a_long_stop_interrupts_is_counted_behind_it_and_leaves_the_disk(database: EngineProcess) -> None:
    stopped = int(time.time()) // MINUTE * MINUTE - 5 * 3600
    halves, expected = calls(stopped)
    await set_clock(database, stopped)
    for minute in range(14):
        # Five hours lie between the third and the fourth minute, for halves that have met and for those that have not.
        if minute == 3:
            await database.restart()
            await database.engine.execute("OPTIMIZE TABLE vedette.call_halves FINAL")
        await insert(database, [row for row in halves if row["arrived"] == stopped + minute * MINUTE])
        assert await opened(database) == stopped + minute * MINUTE
        await EdgeRoller(database.engine).roll()
    await count_all(database)
    reader = Reader(database.engine, Limits())
    await reader.prepare()
    for name, edges in expected.items():
        assert await shown(reader, name, stopped) == edges


async def test_halves_arrive_by_a_clock_that_goes_on_with_the_counts_alone(database: EngineProcess) -> None:
    # What a machine's clock that was ahead for a while leaves behind.
    ahead = int(time.time()) // MINUTE * MINUTE + 366 * 24 * 3600
    await database.engine.execute(f"INSERT INTO vedette.edge_clock (opened) VALUES ({ahead})")
    reader = Reader(database.engine, Limits())
    await reader.prepare()
    at = int(time.time())
    span = {"tenant": "north", "day": time.strftime("%Y-%m-%d", time.gmtime(at)), "time": at, "trace_id": "t" * 16}
    span |= {"service": "mail", "duration_ns": milliseconds("mail", "mail") * 10**6}
    for kind, own, parent in (("client", "1", "9"), ("server", "2", "1")):
        await insert(database, [{**span, "ids": own * 8 + parent * 8, "kind": kind}], "spans")
        await EdgeRoller(database.engine).roll()
    for _ in range(2):
        assert await shown(reader, "north", at) == {("mail", "mail", "call"): (1, 0)}
        await count_all(database)


async def test_a_tenant_whose_calls_never_meet_keeps_half_an_hour_of_them_at_most(database: EngineProcess) -> None:
    start = int(time.time()) // MINUTE * MINUTE - 3600
    await set_clock(database, start)
    lonely = {"called": True, "service": "mail", "day": time.strftime("%Y-%m-%d", time.gmtime(start)), "time": start}
    for minute in range(45):
        await insert(database, [half(minute, "north", start + minute * MINUTE, **lonely)])
        await EdgeRoller(database.engine).roll()
        kept = int(await database.value("SELECT count() FROM vedette.call_halves"))
        assert min(minute + 1, 14) <= kept <= 35


async def test_halves_from_before_the_graph_had_a_clock_are_counted(database: EngineProcess) -> None:
    schema = {item.number: item.statements for item in load_migrations() if item.number}
    start = await opened(database) - 13 * MINUTE
    halves, expected = calls(start)
    (create,) = (text for text in schema[3] if "CREATE TABLE vedette.edge_halves\n" in text)
    await database.engine.execute(create)
    await insert(database, halves, "edge_halves")
    for _ in range(2):  # once more, as after a crash
        for text in schema[14]:
            if created_name(text) is None:
                await database.engine.execute(text)
    for text in schema[15] * 2:
        await database.engine.execute(text)
    await count_all(database)
    reader = Reader(database.engine, Limits())
    await reader.prepare()
    for name, edges in expected.items():
        assert await shown(reader, name, start) == edges
