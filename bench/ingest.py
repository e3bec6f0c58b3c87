"""How fast telemetry gets in: acknowledged-durable and queryable, over real HTTP and gRPC, by signal and batch size.

Clients run in processes of their own and are not counted. CPU is that of all the platform's processes, from the first
request until every row can be queried, the background merges of that time included. MB are 10^6 bytes of protobuf
payload as sent, uncompressed. The last column is the MB/s per core beside what the engine alone needs for the same
payloads in the same run (`floor.py`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

from bench.floor import measure as measure_floor
from bench.platform import Platform
from bench.report import report

CASES = [
    ("traces", "http", 500, 8),
    ("traces", "http", 50, 32),
    ("traces", "http", 1, 64),
    ("traces", "grpc", 500, 8),
    ("traces", "grpc", 50, 32),
    ("traces", "grpc", 1, 64),
    ("logs", "http", 500, 8),
    ("logs", "http", 50, 32),
    ("logs", "http", 1, 64),
]
TABLES = {"traces": "spans", "logs": "logs"}


def measure(signal: str, transport: str, batch: int, connections: int, seconds: float) -> dict[str, object]:
    with Platform("--wal-max-bytes", "16GiB") as platform:
        time.sleep(1)
        cpu, started = platform.cpu_seconds(), time.monotonic()
        port = platform.otlp_http if transport == "http" else platform.otlp_grpc
        command = [sys.executable, "-m", "bench.client", transport, str(port), signal, str(batch), str(connections)]
        out = subprocess.run([*command, str(seconds)], check=True, capture_output=True, text=True).stdout
        sent = json.loads(out)
        while True:
            rows = platform.sql(f"SELECT count() AS n FROM {TABLES[signal]}")[0]["n"]
            if int(rows) == sent["rows"]:
                break
            time.sleep(0.1)
        elapsed = time.monotonic() - started
        cpu = platform.cpu_seconds() - cpu
    return {
        "signal": signal,
        "transport": transport,
        "batch": batch,
        "requests/s acknowledged": round(sent["requests"] / sent["seconds"]),
        "rows/s acknowledged": round(sent["rows"] / sent["seconds"]),
        "rows/s queryable": round(sent["rows"] / elapsed),
        "rows/s per core": round(sent["rows"] / cpu),
        "MB/s per core": round(sent["bytes"] / 1e6 / cpu, 1),
        "bytes/row": round(sent["bytes"] / sent["rows"]),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=8.0)
    arguments.add_argument("--only", default="", help="traces, logs, http, grpc, or a batch size")
    options = arguments.parse_args()
    rows = [measure(*case, options.seconds) for case in CASES if not options.only or options.only in map(str, case)]
    for signal in sorted({str(row["signal"]) for row in rows}):
        floor = measure_floor(signal)
        print(f"The engine alone: {floor}")
        for row in rows:
            if row["signal"] == signal:
                row["of the floor"] = round(
                    float(str(row["MB/s per core"])) / floor[f"{signal}: flatten and store, MB/s per core"], 2
                )
    report("ingest", rows)


if __name__ == "__main__":
    main()
