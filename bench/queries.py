"""How fast questions are answered over a day of 10 million spans and 20 million log lines, by the public API.

A slice of telemetry comes in by OTLP; the engine then repeats it over 24 hours with times, ids and numbers of their own
for every repetition, so that the rollups are filled by the same views as in operation. Medians of warm answers over
HTTP. Beside the rare token: ripgrep over the same lines in one text file that is in the page cache.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import time
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

from bench.platform import Platform
from bench.report import report
from bench.telemetry import log_request, trace_request

if TYPE_CHECKING:
    from collections.abc import Callable

_DAY_SECONDS = 86_400
_BATCH = 500
_REPEAT_SPANS = """
INSERT INTO vedette.spans
WITH {turn:UInt64} AS turn, reinterpretAsFixedString(sipHash64(turn)) AS salt
SELECT * REPLACE (
    s.time - toIntervalMicrosecond({turn:UInt64} * {step_us:UInt64}) AS time,
    toDate(s.time - toIntervalMicrosecond({turn:UInt64} * {step_us:UInt64})) AS day,
    MD5(concat(trace_id, salt)) AS trace_id,
    concat(reinterpretAsFixedString(sipHash64(span_id, turn)), if(parent_span_id = toFixedString('', 8),
        parent_span_id, reinterpretAsFixedString(sipHash64(parent_span_id, turn))))::FixedString(16) AS ids,
    duration_ns + cityHash64(span_id, turn) % 1000000 AS duration_ns
) FROM vedette.spans AS s WHERE s.time > {since:DateTime64(9, 'UTC')}
"""
_REPEAT_LOGS = """
INSERT INTO vedette.logs
SELECT * REPLACE (
    l.time - toIntervalMicrosecond({turn:UInt64} * {step_us:UInt64}) AS time,
    toDate(l.time - toIntervalMicrosecond({turn:UInt64} * {step_us:UInt64})) AS day,
    replaceRegexpOne(body, '[0-9]+', toString(cityHash64(body, {turn:UInt64}) % 1000000000)) AS body
) FROM vedette.logs AS l WHERE l.time > {since:DateTime64(9, 'UTC')}
"""


def engine(platform: Platform, statement: str, **params: object) -> str:
    """Run a statement in the engine, past the API, as only the operator of the machine can."""
    named = {f"param_{name}": str(value) for name, value in params.items()}
    query = urllib.parse.urlencode({"max_threads": 2, **named})
    command = ["curl", "-sSf", "--unix-socket", str(platform.data_dir / "engine.sock"), f"http://engine/?{query}"]
    return subprocess.run(
        [*command, "--data-binary", "@-"], input=statement, check=True, capture_output=True, text=True
    ).stdout


def fill(platform: Platform, spans: int, logs: int) -> None:
    rng = random.Random(11)
    slices = 100
    step_us = _DAY_SECONDS * 1_000_000 // slices
    spread = step_us * 1000
    for signal, make, wanted in (("traces", trace_request, spans), ("logs", log_request, logs)):
        for _ in range(wanted // slices // _BATCH):
            post(platform, f"/v1/{signal}", make(_BATCH, rng, spread_ns=spread))
    for table, wanted in (("spans", spans), ("logs", logs)):
        while int(engine(platform, f"SELECT count() FROM vedette.{table}")) < wanted // slices // _BATCH * _BATCH:
            time.sleep(0.2)
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - step_us / 1e6 - 60))
    for turn in range(1, slices):
        for statement in (_REPEAT_SPANS, _REPEAT_LOGS):
            engine(platform, statement, turn=turn, step_us=step_us, since=since)
    engine(
        platform,
        "INSERT INTO vedette.logs SELECT * REPLACE ('the needle xyzzy42 lies here' AS body, "
        "time - toIntervalHour(13) AS time) FROM vedette.logs LIMIT 1",
    )


def post(platform: Platform, path: str, body: bytes) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{platform.otlp_http}{path}", body, {"content-type": "application/x-protobuf"}
    )
    urllib.request.urlopen(request).read()


def median_ms(ask: Callable[[], object], times: int = 15) -> float:
    ask()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(taken), 1)


def questions(platform: Platform) -> dict[str, Callable[[], bytes]]:
    trace_id = platform.sql("SELECT trace_id FROM traces ORDER BY start LIMIT 1 OFFSET 1000")[0]["trace_id"]
    lines = {
        "trace by id": f"/api/v1/traces/{trace_id}",
        "traces by two attributes, 24 h": "/api/v1/traces?from=24h&limit=20&q="
        + urllib.parse.quote("http.route:/checkout http.response.status_code:502"),
        "rare token in logs, 24 h": "/api/v1/logs?from=24h&limit=50&q=xyzzy42",
        "newest logs, first page": "/api/v1/logs?from=24h&limit=100",
        "RED of all services, 24 h": "/api/v1/services?from=24h",
    }
    return {name: (lambda path=path: platform.get(path)) for name, path in lines.items()}


def ripgrep_ms(platform: Platform) -> float | None:
    tool = shutil.which("rg")
    if tool is None:
        return None
    path = platform.data_dir / "lines.txt"
    with path.open("w") as file:
        file.write(engine(platform, "SELECT body FROM vedette.logs FORMAT LineAsString"))
    return median_ms(lambda: subprocess.run([tool, "-c", "xyzzy42", str(path)], check=True, capture_output=True), 5)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--spans", type=int, default=10_000_000)
    arguments.add_argument("--logs", type=int, default=20_000_000)
    options = arguments.parse_args()
    with Platform("--query-max-seconds", "120s") as platform:
        fill(platform, options.spans, options.logs)
        counts = platform.sql("SELECT (SELECT count() FROM spans) AS spans, (SELECT count() FROM logs) AS logs")[0]
        settle(platform)
        rows: list[dict[str, object]] = [
            {"question": name, "median ms": median_ms(ask), "answer bytes": len(ask())}
            for name, ask in questions(platform).items()
        ]
        peer = ripgrep_ms(platform)
        if peer is not None:
            rows.append({"question": "the same token by ripgrep over the lines as text", "median ms": peer})
    print(json.dumps(counts))
    report("queries", rows)


def settle(platform: Platform) -> None:
    """Wait until the background merges have caught up."""
    while int(engine(platform, "SELECT count() FROM system.merges")) > 0:
        time.sleep(1)


if __name__ == "__main__":
    main()
