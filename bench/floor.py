"""What the engine alone does on this machine with the same payloads and the plainest statements, to hold figures against.

``python -m bench.floor`` prints each floor beside what engine facts were written down with, on another machine. Each
part runs in a process of its own, of which nothing but chDB is measured; `measure` is what other benchmarks use.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chdb import session
from google.protobuf.internal.encoder import _VarintBytes

from bench.report import report
from bench.telemetry import log_request, trace_request

if TYPE_CHECKING:
    from collections.abc import Callable

_SQL = Path(__file__).with_suffix(".sql")
_PROTO = """syntax = "proto3";
message Any { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
message Pair { string key = 1; Any value = 2; }
message Resource { repeated Pair attributes = 1; }
message Status { string message = 2; int32 code = 3; }
message Span { bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated Pair attributes = 9; Status status = 15; }
message ScopeSpans { repeated Span spans = 2; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Traces { repeated ResourceSpans resource_spans = 1; }
message Record { fixed64 time_unix_nano = 1; int32 severity_number = 2; Any body = 5; repeated Pair attributes = 6;
  bytes trace_id = 9; bytes span_id = 10; }
message ScopeLogs { repeated Record log_records = 2; }
message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; }
message Logs { repeated ResourceLogs resource_logs = 1; }"""
_NAMES = ["no", "string_value", "bool_value", "int_value", "double_value"]
_ANY = (
    f"Tuple(value Enum8({', '.join(f'{name!r} = {i}' for i, name in enumerate(_NAMES))}), "
    "string_value String, bool_value Bool, int_value Int64, double_value Float64)"
)
_PAIRS = f"Array(Tuple(key String, value {_ANY}))"
_AS_MAP = (
    "mapFromArrays({0}.key, arrayMap(v -> multiIf(v.value = 'string_value', v.string_value, v.value = 'int_value', "
    "toString(v.int_value), v.value = 'double_value', toString(v.double_value), v.value = 'bool_value', "
    "toString(v.bool_value), ''), {0}.value))"
)
_SEGMENT_SPANS = 100_000
_BATCH = 500
_ROUNDS = 6
_LINES = 5_000_000
_MAP_ROWS = 1_000_000

# What the design's facts say of the same work on the machine they were measured on: (least, most).
KNOWN: dict[str, tuple[float, float]] = {
    "traces: flatten and store, MB/s": (65.0, 118.0),
    "SELECT 1 in the process, ms": (1.5, 1.5),
    "SELECT 1 by a socket, ms": (1.1, 1.1),
    "5 M log lines, hasAllTokens, ms": (3.0, 13.0),
    "5 M log lines, LIKE, ms": (180.0, 180.0),
    "1 M maps, grouped by one key, ms": (120.0, 145.0),
}


class Door:
    """The engine of a platform that runs, by one connection that stays open."""

    def __init__(self, path: Path) -> None:
        self._connection = http.client.HTTPConnection("engine")
        self._connection.sock = socket.socket(socket.AF_UNIX)
        self._connection.sock.connect(str(path))

    def ask(self, statement: str) -> bytes:
        self._connection.request("POST", "/?use_query_condition_cache=0&max_threads=2", statement.encode())
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(body.decode())
        return body


def measure(part: str) -> dict[str, float]:
    """The floors of one part: ``traces``, ``logs``, ``text`` or ``maps``."""
    command = [sys.executable, "-m", "bench.floor", "--part", part]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def flatten(engine: Any, signal: str) -> dict[str, float]:  # noqa: ANN401 - chDB has no types
    """MB of payload a second of CPU and of time, as the engine takes a segment in; the best of some rounds."""
    for statement in _SQL.read_text(encoding="utf-8").split(";\n"):
        filled = statement.replace("${Any}", _ANY).replace("${Pairs}", _PAIRS)
        engine.query(re.sub(r"\$\{([\w.]+)\}", lambda found: _AS_MAP.format(found[1]), filled))
    make, rng = (trace_request if signal == "traces" else log_request), random.Random(7)
    bodies = [make(_BATCH, rng) for _ in range(_SEGMENT_SPANS // _BATCH)]
    segment = b"".join(_VarintBytes(len(body)) + body for body in bodies)
    schema = _PROTO.replace("'", "\\'")
    settings = (
        f"input_format_protobuf_oneof_presence = 1, format_schema_source = 'string', format_schema = '{schema}', "
        f"format_schema_message_name = '{signal.title()}'"
    )
    walls, cpus = [], []
    for _ in range(_ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        insert = engine.send_insert(f"INSERT INTO in_{signal} SETTINGS {settings}", "Protobuf")
        insert.append(segment)
        insert.finish()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    rows = int(str(engine.query(f"SELECT count() FROM {'spans' if signal == 'traces' else 'logs'}")))
    if rows != _ROUNDS * _SEGMENT_SPANS:
        raise RuntimeError(f"{rows} rows came of {_ROUNDS * _SEGMENT_SPANS}")
    megabytes = sum(map(len, bodies)) / 1e6
    return {
        f"{signal}: flatten and store, MB/s": round(megabytes / statistics.median(walls), 1),
        f"{signal}: flatten and store, MB/s per core": round(megabytes / statistics.median(cpus), 1),
    }


def text(engine: Any) -> dict[str, float]:  # noqa: ANN401 - as above
    """A rare token among five million log lines, by the index and without it."""
    engine.query(
        "CREATE TABLE lines (number UInt64, body String, INDEX tokens body TYPE text(tokenizer = 'splitByNonAlpha')) "
        "ENGINE = MergeTree ORDER BY number"
    )
    words = "concat('order ', toString(cityHash64(number)), ' placed by user ', toString(number % 10007), ' for ', "
    engine.query(
        f"INSERT INTO lines SELECT number, {words} toString(number % 997), ' EUR', "
        f"if(number = 1234567, ' xyzzy42', '')) FROM numbers({_LINES})"
    )
    engine.query("OPTIMIZE TABLE lines FINAL")
    return {
        "5 M log lines, hasAllTokens, ms": _ask(
            engine, "SELECT count() FROM lines WHERE hasAllTokens(body, 'xyzzy42')"
        ),
        "5 M log lines, LIKE, ms": _ask(
            engine, "SELECT count() FROM lines WHERE body LIKE '%xyzzy42%' SETTINGS use_skip_indexes = 0"
        ),
    }


def maps(engine: Any) -> dict[str, float]:  # noqa: ANN401 - as above
    """A million maps of ten attributes, grouped by one; and the statement that does nothing."""
    engine.query(
        "CREATE TABLE maps (attributes Map(LowCardinality(String), String)) ENGINE = MergeTree ORDER BY tuple()"
    )
    pairs = ", ".join(f"'k{i}', toString(number % {i + 2})" for i in range(10))
    engine.query(f"INSERT INTO maps SELECT map({pairs}) FROM numbers({_MAP_ROWS})")
    engine.query("OPTIMIZE TABLE maps FINAL")
    return {
        "1 M maps, grouped by one key, ms": _ask(engine, "SELECT attributes['k7'] AS v, count() FROM maps GROUP BY v"),
        "SELECT 1 in the process, ms": _ask(engine, "SELECT 1", 200),
    }


def _ask(engine: Any, statement: str, times: int = 15) -> float:  # noqa: ANN401 - as above
    # The cache of conditions would remember where nothing matches, and nothing would be searched.
    settings = "use_query_condition_cache = 0"
    joined = f"{statement}{', ' if 'SETTINGS' in statement else ' SETTINGS '}{settings}"
    return median_ms(lambda: engine.query(joined, "TSV"), times)


def median_ms(ask: Callable[[], object], times: int = 15) -> float:
    """The median of warm answers."""
    ask()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(taken), 2)


def _part(name: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="vedette-floor-") as folder:
        engine = session.Session(folder)
        if name in {"traces", "logs"}:
            return flatten(engine, name)
        return {"text": text, "maps": maps}[name](engine)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--part", choices=["traces", "logs", "text", "maps"], help="only one, as JSON")
    options = arguments.parse_args()
    if options.part:
        print(json.dumps(_part(options.part)))
        return
    found = {name: value for part in ("traces", "logs", "text", "maps") for name, value in measure(part).items()}
    rows: list[dict[str, object]] = []
    for name, value in found.items():
        least, most = KNOWN.get(name, (0.0, 0.0))
        facts = "" if not most else f"{least:g}" if least == most else f"{least:g} to {most:g}"
        rows.append({"floor": name, "here": value, "in the engine facts": facts})
    report("floor", rows)


if __name__ == "__main__":
    main()
