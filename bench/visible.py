"""How long after its acknowledgement a log line can be found: quiet, and beside a steady load."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from bench.platform import Platform
from bench.queries import post
from bench.report import report

_PROBES = 60


def probe(platform: Platform, number: int) -> float:
    """Send one line and ask for it until it is there; seconds."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=time.time_ns())
    record.body.string_value = f"probe{number}x{random.randrange(10**9)}"
    post(platform, "/v1/logs", request.SerializeToString())
    acknowledged = time.monotonic()
    statement = f"SELECT count() AS n FROM logs WHERE time > now() - 60 AND body = '{record.body.string_value}'"
    while not int(platform.sql(statement)[0]["n"]):
        time.sleep(0.01)
    return time.monotonic() - acknowledged


def main() -> None:
    rows: list[dict[str, object]] = []
    for load in ("none", "traces by 50, two connections"):
        with Platform() as platform:
            sender = None
            if load != "none":
                command = [
                    sys.executable,
                    "-m",
                    "bench.client",
                    "http",
                    str(platform.otlp_http),
                    "traces",
                    "50",
                    "2",
                    "600",
                ]
                sender = subprocess.Popen(command, stdout=subprocess.DEVNULL)
                time.sleep(3)
            taken = sorted(probe(platform, i) for i in range(_PROBES))
            if sender:
                sender.kill()
                sender.wait()
        rows.append(
            {
                "load": load,
                "median s": round(statistics.median(taken), 2),
                "p99 s": round(taken[int(_PROBES * 0.99)], 2),
            }
        )
    report("visible", rows)


if __name__ == "__main__":
    main()
