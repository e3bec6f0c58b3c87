"""Bytes on disk per span and per log line, rollups and indexes included, against gzip of the payloads as sent."""

from __future__ import annotations

import gzip
import random
import time

from bench.platform import Platform
from bench.queries import engine, post
from bench.report import report
from bench.telemetry import log_request, trace_request

_ROWS = 1_000_000
_BATCH = 500


def main() -> None:
    rows: list[dict[str, object]] = []
    for signal, make, table in (("traces", trace_request, "spans"), ("logs", log_request, "logs")):
        rng = random.Random(5)
        raw = packed = 0
        with Platform() as platform:
            for _ in range(_ROWS // _BATCH):
                body = make(_BATCH, rng, spread_ns=3600 * 10**9)
                raw += len(body)
                packed += len(gzip.compress(body))
                post(platform, f"/v1/{signal}", body)
            while int(engine(platform, f"SELECT count() FROM vedette.{table}")) < _ROWS:
                time.sleep(0.5)
            tables = engine(
                platform, "SELECT name FROM system.tables WHERE database = 'vedette' AND engine LIKE '%MergeTree'"
            )
            for name in tables.split():
                engine(platform, f"OPTIMIZE TABLE vedette.{name} FINAL")
            disk = int(
                engine(platform, "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'vedette'")
            )
            main_table = int(
                engine(
                    platform,
                    "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'vedette' "
                    f"AND table = '{table}'",
                )
            )
        rows.append(
            {
                "signal": signal,
                "payload bytes/row": round(raw / _ROWS, 1),
                "gzip bytes/row": round(packed / _ROWS, 1),
                "table bytes/row": round(main_table / _ROWS, 1),
                "all tables bytes/row": round(disk / _ROWS, 1),
                "gzip ÷ table": round(packed / main_table, 2),
                "gzip ÷ all tables": round(packed / disk, 2),
            }
        )
    report("size", rows)


if __name__ == "__main__":
    main()
