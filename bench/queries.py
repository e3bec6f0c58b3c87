"""How fast questions are answered over a day of 10 million spans and 20 million log lines, by the public API.

A slice of telemetry comes in by OTLP; the engine then repeats it over 24 hours with times, ids and numbers of their own
for every repetition, so that the rollups are filled by the same views as in operation. Medians of warm answers over
HTTP. Beside each: a plain statement at the engine's socket that reads what the answer is made of, and the statement that
does nothing (`floor.py`). Beside the rare token: ripgrep over the same lines in one text file that is in the page cache.

Loading takes a while, so it can be a step of its own: ``--data-dir DIR --step load`` fills a directory that stays, for
``--seconds`` at a time, and goes on where it ended when it is called again; ``--data-dir DIR --step ask`` asks.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.floor import Door, median_ms
from bench.platform import Platform, wait_until_quiet
from bench.report import report
from bench.telemetry import log_request, trace_request

if TYPE_CHECKING:
    from collections.abc import Callable

_DAY_SECONDS = 86_400
_SLICES = 100
_STEP_US = _DAY_SECONDS * 1_000_000 // _SLICES
_BATCH = 500
_NEEDLE = """
INSERT INTO vedette.logs SELECT * REPLACE ('the needle xyzzy42 lies here' AS body, l.time - toIntervalHour(13) AS time)
FROM vedette.logs AS l WHERE l.time > {since:DateTime64(9, 'UTC')} LIMIT 1
"""
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


@dataclass
class Loading:
    """How far a directory is filled: when the newest row is, and how many slices of the day are there."""

    end: int
    slices: int = 0

    @property
    def since(self) -> str:
        """Before every row of the first slice, and after those of all others."""
        return f"{self.end - _STEP_US / 1e6 + 0.5:.3f}"

    @property
    def range(self) -> str:
        """The day, as the API's parameters."""
        return f"from={self.end - _DAY_SECONDS}&to={self.end + 1}"


def engine(platform: Platform, statement: str, *, into: Path | None = None, **params: object) -> str:
    """Run a statement in the engine, past the API, as only the operator of the machine can."""
    named = {f"param_{name}": str(value) for name, value in params.items()}
    query = urllib.parse.urlencode({"max_threads": 2, **named})
    command = ["curl", "-sSf", "--unix-socket", str(platform.data_dir / "engine.sock"), f"http://engine/?{query}"]
    command += ["--output", str(into)] if into else []
    return subprocess.run(
        [*command, "--data-binary", "@-"], input=statement, check=True, capture_output=True, text=True
    ).stdout


def begin(platform: Platform, spans: int, logs: int) -> Loading:
    """Send the first slice by OTLP."""
    loading, rng = Loading(end=int(time.time())), random.Random(11)
    end_ns, spread_ns = loading.end * 10**9, _STEP_US * 1000 - 10**9
    for signal, table, make, wanted in (
        ("traces", "spans", trace_request, spans),
        ("logs", "logs", log_request, logs),
    ):
        requests = wanted // _SLICES // _BATCH
        for _ in range(requests):
            post(platform, f"/v1/{signal}", make(_BATCH, rng, end_ns=end_ns, spread_ns=spread_ns))
        while int(engine(platform, f"SELECT count() FROM vedette.{table}")) < requests * _BATCH:
            time.sleep(0.2)
    engine(platform, _NEEDLE, since=loading.since)
    loading.slices = 1
    return loading


def fill(platform: Platform, spans: int, logs: int, seconds: float) -> Loading:
    """Load what is missing, for so many seconds at most. What has been loaded is noted beside the data."""
    until, note = time.monotonic() + seconds, platform.data_dir / "loading.json"
    loading = Loading(**json.loads(note.read_text())) if note.exists() else begin(platform, spans, logs)
    while True:
        note.write_text(json.dumps(asdict(loading)))
        if loading.slices == _SLICES or time.monotonic() > until:
            return loading
        for statement in (_REPEAT_SPANS, _REPEAT_LOGS):
            engine(platform, statement, turn=loading.slices, step_us=_STEP_US, since=loading.since)
        loading.slices += 1


def post(platform: Platform, path: str, body: bytes) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{platform.otlp_http}{path}", body, {"content-type": "application/x-protobuf"}
    )
    urllib.request.urlopen(request).read()


def a_trace(platform: Platform) -> str:
    return str(platform.sql("SELECT trace_id FROM traces ORDER BY start LIMIT 1 OFFSET 1000")[0]["trace_id"])


def questions(platform: Platform, loading: Loading, trace_id: str) -> dict[str, Callable[[], bytes]]:
    lines = {
        "trace by id": f"/api/v1/traces/{trace_id}",
        "traces by two attributes, 24 h": f"/api/v1/traces?{loading.range}&limit=20&q="
        + urllib.parse.quote("http.route:/checkout http.response.status_code:502"),
        "rare token in logs, 24 h": f"/api/v1/logs?{loading.range}&limit=50&q=xyzzy42",
        "newest logs, first page": f"/api/v1/logs?{loading.range}&limit=100",
        "RED of all services, 24 h": f"/api/v1/services?{loading.range}",
    }
    asked: dict[str, Callable[[], bytes]] = {
        name: (lambda path=path: platform.get(path)) for name, path in lines.items()
    }
    asked["SELECT 1"] = lambda: platform.get("/api/v1/sql", body=b"SELECT 1")
    return asked


def plain_statements(door: Door, loading: Loading, trace_id: str) -> dict[str, str]:
    """What the answers are made of, as one statement each, with nothing to guard, to bound or to write as JSON by hand."""
    of_trace = f"trace_id = unhex('{trace_id}')"
    found = door.ask(f"SELECT min(start), max(end) FROM vedette.trace_index WHERE {of_trace} FORMAT TSV").decode()
    first, last = found.strip().split("\t")
    day = f"tenant = 'default' AND time >= toDateTime({loading.end - _DAY_SECONDS}, 'UTC')"
    pair = "attributes['http.route'] = '/checkout' AND attributes['http.response.status_code'] = '502'"
    return {
        "trace by id": f"SELECT * FROM vedette.spans WHERE tenant = 'default' AND {of_trace} "
        f"AND time BETWEEN '{first}' AND '{last}' FORMAT JSONEachRow",
        "traces by two attributes, 24 h": f"SELECT count() FROM vedette.spans WHERE {day} AND {pair}",
        "rare token in logs, 24 h": f"SELECT count() FROM vedette.logs WHERE {day} AND hasAllTokens(lower(body), 'xyzzy42')",
        "newest logs, first page": f"SELECT * FROM vedette.logs WHERE {day} ORDER BY time DESC LIMIT 100 FORMAT JSONEachRow",
        "RED of all services, 24 h": "SELECT service, sum(count), quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations) "
        f"FROM vedette.red_service_hour WHERE tenant = 'default' AND hour >= toDateTime({loading.end - _DAY_SECONDS}, 'UTC') GROUP BY service",
        "SELECT 1": "SELECT 1",
    }


def ripgrep_ms(platform: Platform) -> float | None:
    tool = shutil.which("rg")
    if tool is None:
        return None
    path = platform.data_dir / "lines.txt"
    engine(platform, "SELECT body FROM vedette.logs FORMAT TSVRaw", into=path)
    try:
        return median_ms(lambda: subprocess.run([tool, "-c", "xyzzy42", str(path)], check=True, capture_output=True), 5)
    finally:
        path.unlink()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--spans", type=int, default=10_000_000)
    arguments.add_argument("--logs", type=int, default=20_000_000)
    arguments.add_argument("--data-dir", type=Path, help="a directory that stays; else one for this run")
    arguments.add_argument("--step", choices=["load", "ask", "all"], default="all")
    arguments.add_argument("--seconds", type=float, default=float("inf"), help="how long to load at most")
    options = arguments.parse_args()
    with Platform("--query-max-seconds", "120s", data_dir=options.data_dir) as platform:
        loading = fill(platform, options.spans, options.logs, 0 if options.step == "ask" else options.seconds)
        print(f"{loading.slices} of {_SLICES} slices are loaded.", flush=True)
        if options.step != "load":
            ask(platform, loading)


def ask(platform: Platform, loading: Loading) -> None:
    """Ask everything and print how long it took."""
    counts = platform.sql("SELECT (SELECT count() FROM spans) AS spans, (SELECT count() FROM logs) AS logs")[0]
    wait_until_quiet(platform.cpu_seconds)
    trace_id, door = a_trace(platform), Door(platform.data_dir / "engine.sock")
    plain = plain_statements(door, loading, trace_id)
    nothing = median_ms(lambda: door.ask("SELECT 1"), 60)
    rows: list[dict[str, object]] = []
    for name, question in questions(platform, loading, trace_id).items():
        ours, bare = median_ms(question), median_ms(lambda name=name: door.ask(plain[name]))
        row = {"question": name, "median ms": ours, "answer bytes": len(question()), "plain statement ms": bare}
        rows.append(row | {"ours / plain": round(ours / bare, 1), "ours / SELECT 1": round(ours / nothing, 1)})
    peer = ripgrep_ms(platform)
    if peer is not None:
        rows.append({"question": "the same token by ripgrep over the lines as text", "median ms": peer})
    print(json.dumps(counts))
    report("queries", rows)


if __name__ == "__main__":
    main()
