"""What the SDK records is what the platform shows: random telemetry through real ingest and back by SQL."""

from __future__ import annotations

import json
import random
from typing import Any

from sdk_programs import Programs

SEED = random.randrange(1 << 30)

PROGRAM = """
import json, random, sys
import vedette
from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

rng = random.Random(int(sys.argv[1]))
vedette.configure("through", redaction=False, log_format="none", process_metrics=False)
tracer = trace.get_tracer("scope", "1.0")
log = vedette.get_logger("through.logs")

def text():
    pool = "aZ09 _-./:\\"'\\\\\\n\\t\\u00fc\\u4e2d\\U0001f600\\x00<&;=%"
    return "".join(rng.choice(pool) for _ in range(rng.randrange(12)))

def value():
    return rng.choice([text, lambda: rng.randrange(-2**63, 2**63), lambda: rng.uniform(-1e9, 1e9),
                       lambda: rng.random() < 0.5, lambda: [rng.randrange(9), text()], lambda: {"k": text()}])()

def attributes():
    return {f"key{n}": value() for n in range(rng.randrange(5))}

spans, logs = [], []
T = 1_790_000_000_000_000_000
import time
T = time.time_ns()
for number in range(200):
    a, start = attributes(), T - rng.randrange(10**9)
    took = rng.randrange(10**9)
    span = tracer.start_span(f"span {number} {text()}", kind=rng.choice(list(SpanKind)), attributes=a, start_time=start)
    events = [(text() or "e", attributes(), start + n) for n in range(rng.randrange(3))]
    for name, more, at in events:
        span.add_event(name, more, at)
    if rng.random() < 0.3:
        span.set_status(Status(StatusCode.ERROR, text() or None))
    with trace.use_span(span):
        fields, message = attributes(), text()
        log.warning(message, **fields)
    span.end(start + took)
    context = span.get_span_context()
    ids = [f"{context.trace_id:032x}", f"{context.span_id:016x}"]
    spans.append([*ids, span.name, span.kind.name.lower(), a, start, took, span.status.status_code.name.lower(),
                  span.status.description or "", [[n, m, t] for n, m, t in events]])
    logs.append([*ids, message, fields])
counts = vedette.counter("through_total", labels=["n"])
for number in range(20):
    counts.labels(str(number)).inc(number)
print(json.dumps([spans, logs]))
"""


def shown(value: Any) -> str:
    """An attribute's text as the platform keeps it, brought to one form."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(float(value)) if isinstance(value, float) else str(value)
    return json.dumps(value, sort_keys=True)


def kept(attributes: dict[str, str], types: dict[str, str]) -> dict[str, str]:
    out = {}
    for key, text in attributes.items():
        kind = types.get(key, "string")
        if kind == "double":
            out[key] = repr(float(text))
        elif kind == "json":
            out[key] = json.dumps(json.loads(text), sort_keys=True)
        else:
            out[key] = text
    return out


def test_the_platform_shows_exactly_what_was_recorded(platform, tmp_path):
    programs = Programs(tmp_path, f"http://127.0.0.1:{platform.otlp_http}")
    result = programs.run(PROGRAM, str(SEED))
    spans, logs = json.loads(result.stdout)
    platform.eventually("SELECT toInt32(count()) FROM spans", 200)
    platform.eventually("SELECT toInt32(count()) FROM logs", 200)
    found = {row["span_id"]: row for row in platform.sql("SELECT *, toUnixTimestamp64Nano(time) AS at FROM spans")}
    for trace_id, span_id, name, kind, attributes, start, took, status, message, _events in spans:
        row = found[span_id]
        got = (row["trace_id"], row["name"], row["kind"], int(row["at"]), int(row["duration_ns"]), row["status"])
        assert got == (trace_id, name, kind, start, took, status), SEED
        assert row["status_message"] == message, SEED
        assert kept(row["attributes"], row["attribute_types"]) == {k: shown(v) for k, v in attributes.items()}, SEED
        assert row["service"] == "through"
    events = sum(len(span[-1]) for span in spans)
    counted = platform.sql("SELECT toInt32(sum(length(events.name))) AS n FROM spans")[0]["n"]
    assert counted == events, SEED
    lines = {row["span_id"]: row for row in platform.sql("SELECT * FROM logs")}
    for trace_id, span_id, message, fields in logs:
        row = lines[span_id]
        assert (row["trace_id"], row["body"], row["severity_text"]) == (trace_id, message, "WARN"), SEED
        assert kept(row["attributes"], row["attribute_types"]) == {k: shown(v) for k, v in fields.items()}, SEED
    of_counter = "FROM samples JOIN series ON samples.series = series.id WHERE name = 'through_total'"
    platform.eventually(f"SELECT toInt32(count()) {of_counter}", 20)
    samples = platform.sql(f"SELECT labels['n'] AS n, value {of_counter}")
    assert {row["n"]: float(row["value"]) for row in samples} == {str(n): float(n) for n in range(20)}
