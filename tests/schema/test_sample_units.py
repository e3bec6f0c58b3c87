"""Values of samples kept as whole numbers of decimal units: every one comes back to the last bit, old ones too."""

from __future__ import annotations

import math
import random
import struct
from typing import TYPE_CHECKING

from vedette.server.engine.formats import fragments
from vedette.server.engine.migrate import load_migrations

if TYPE_CHECKING:
    from vedette.server.engine.client import Engine

STALE = 0x7FF0000000000002
ODD = (0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7e308, 2.0**53, 2.0**53 + 2, -(2.0**53), 0.1 + 0.2, 1e15 / 3)


def _bits(value: float) -> int:
    found: int = struct.unpack("<Q", struct.pack("<d", value))[0]
    return found


def _values() -> list[int]:
    """Bits of numbers of every kind: decimals, whole ones, fractions, any bits at all, and what is no number."""
    chance = random.Random(5)
    decimals = [
        round(chance.uniform(-1, 1) * 10.0 ** chance.randrange(-2, 17), chance.randrange(11)) for _ in range(3000)
    ]
    fractions = [chance.gauss(0, 1) * 2.0 ** chance.randrange(-60, 60) for _ in range(1000)]
    return [
        STALE,
        *map(_bits, (*ODD, *decimals, *fractions)),
        *(chance.getrandbits(64) for _ in range(1000)),
        *(_bits(float(chance.randrange(-(2**60), 2**60))) for _ in range(500)),
    ]


async def _add(engine: Engine, bits: list[int], first: int, columns: str, values: str) -> None:
    rows = f"SELECT toUInt64(number) AS at, reinterpretAsFloat64({bits}::Array(UInt64)[number + 1]) AS value"
    await engine.execute(
        f"INSERT INTO before.samples (tenant, series, time, {columns}) SELECT 't', 1, "
        f"fromUnixTimestamp64Milli(toInt64(at + {first}), 'UTC'), {values} FROM ({rows} FROM numbers({len(bits)}))",
        settings={"max_query_size": 1 << 20},
    )


async def _kept(engine: Engine) -> list[int]:
    rows = await engine.rows("SELECT reinterpretAsUInt64(value) AS bits FROM before.samples FINAL ORDER BY time")
    return [int(row["bits"]) for row in rows]


async def test_every_value_comes_back_to_the_last_bit_from_before_and_after_the_change(tenant):
    engine = tenant.database.engine
    schema = {item.number: item.statements for item in load_migrations() if item.number}
    await engine.execute("CREATE DATABASE before")
    (create,) = (text for text in schema[2] if "CREATE TABLE vedette.samples\n" in text)
    await engine.execute(create.replace("vedette.samples", "before.samples"))
    old, new = _values()[:500], _values()
    await _add(engine, old, 0, "value", "value")
    for text in schema[9]:
        await engine.execute(text.replace("vedette.samples", "before.samples"))
    await _add(engine, new, len(old), "scale, units", fragments()["SampleUnits"])
    assert await _kept(engine) == old + new
    await engine.execute("OPTIMIZE TABLE before.samples FINAL")
    assert await _kept(engine) == old + new
    rows = await engine.rows(
        "SELECT scale, count() AS n FROM before.samples WHERE time >= '1970-01-01 00:00:00.500' GROUP BY scale"
    )
    assert {row["scale"] for row in rows} == {0, 3, 6, 9, 255}
    assert sum(int(row["n"]) for row in rows if row["scale"] != 255) > 2000  # most of the 3,000 decimals
    await engine.execute("DROP DATABASE before")
