"""Who called whom, of many calls at once: the same while halves wait, after minutes were counted, and behind a restart."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

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


async def insert(database: EngineProcess, halves: list[dict[str, Any]]) -> None:
    body = "".join(json.dumps(row) + "\n" for row in halves).encode()
    await database.engine.insert("vedette.edge_halves", "JSONEachRow", body)


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
    await insert(database, [row for row in halves if row["arrived"] <= between])
    assert await EdgeRoller(database.engine).roll() == 3
    await insert(database, [row for row in halves if row["arrived"] > between])
    for name, edges in expected.items():
        assert await shown(reader, name, start) == edges
    assert await EdgeRoller(database.engine).roll() == 12
    for name, edges in expected.items():
        assert await shown(reader, name, start) == edges
    await database.restart()
    await EdgeRoller(database.engine).roll()
    for name, edges in expected.items():
        assert await shown(reader, name, start) == edges
