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
    links = [(rng.getrandbits(128) or 1, rng.getrandbits(64) or 1, attributes()) for _ in range(rng.randrange(3))]
    for trace_id, span_id, more in links:
        span.add_link(SpanContext(trace_id, span_id, is_remote=True), more)
    if rng.random() < 0.3:
        span.set_status(Status(StatusCode.ERROR, text() or None))
    with trace.use_span(span):
        fields, message = attributes(), text()
        log.warning(message, **fields)
    span.end(start + took)
    context = span.get_span_context()
    ids = [f"{context.trace_id:032x}", f"{context.span_id:016x}"]
    spans.append([*ids, span.name, span.kind.name.lower(), a, start, took, span.status.status_code.name.lower(),
                  span.status.description or "", [[n, m, t] for n, m, t in events],
                  [[f"{t:032x}", f"{s:016x}", m] for t, s, m in links]])
    logs.append([*ids, message, fields])
counts = vedette.counter("through_total", labels=["n"])
for number in range(20):
    counts.labels(str(number)).inc(number)
level, seen = vedette.gauge("through_level", labels=["n"]), vedette.histogram("through_seen", labels=["n"])
levels, sums = {}, {}
for number in range(20):
    levels[str(number)] = rng.uniform(-1e9, 1e9)
    level.labels(str(number)).set(levels[str(number)])
    values = [rng.randrange(100) / 8 for _ in range(rng.randrange(1, 50))]  # sums of these are exact
    for one in values:
        seen.labels(str(number)).observe(one)
    sums[str(number)] = [sum(values), len(values), len([one for one in values if one <= 2.5])]
print(json.dumps([spans, logs, levels, sums]))
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
    spans, logs, levels, sums = json.loads(result.stdout)
    platform.eventually("SELECT toInt32(count()) FROM spans", 200)
    platform.eventually("SELECT toInt32(count()) FROM logs", 200)
    ats = "toUnixTimestamp64Nano(time) AS at, arrayMap(t -> toUnixTimestamp64Nano(t), events.time) AS event_ats"
    found = {row["span_id"]: row for row in platform.sql(f"SELECT *, {ats} FROM spans")}
    for trace_id, span_id, name, kind, attributes, start, took, status, message, events, links in spans:
        row = found[span_id]
        got = (row["trace_id"], row["name"], row["kind"], int(row["at"]), int(row["duration_ns"]), row["status"])
        assert got == (trace_id, name, kind, start, took, status), SEED
        assert row["status_message"] == message, SEED
        assert kept(row["attributes"], row["attribute_types"]) == {k: shown(v) for k, v in attributes.items()}, SEED
        assert row["service"] == "through"
        said = zip(row["events.name"], map(json.loads, row["events.attributes"]), row["event_ats"], strict=True)
        assert [[name, more, int(at)] for name, more, at in said] == events, SEED
        led = zip(row["links.trace_id"], row["links.span_id"], map(json.loads, row["links.attributes"]), strict=True)
        assert list(map(list, led)) == links, SEED
    lines = {row["span_id"]: row for row in platform.sql("SELECT * FROM logs")}
    for trace_id, span_id, message, fields in logs:
        row = lines[span_id]
        assert (row["trace_id"], row["body"], row["severity_text"]) == (trace_id, message, "WARN"), SEED
        assert kept(row["attributes"], row["attribute_types"]) == {k: shown(v) for k, v in fields.items()}, SEED

    def values(name: str, where: str = "1") -> dict[str, float]:
        of = f"FROM samples JOIN series ON samples.series = series.id WHERE name = '{name}' AND {where}"
        platform.eventually(f"SELECT toInt32(count()) {of}", 20)
        return {row["n"]: float(row["value"]) for row in platform.sql(f"SELECT labels['n'] AS n, value {of}")}

    assert values("through_total") == {str(n): float(n) for n in range(20)}, SEED
    assert values("through_level") == levels, SEED
    assert values("through_seen_sum") == {n: total for n, (total, _, _) in sums.items()}, SEED
    assert values("through_seen_count") == {n: count for n, (_, count, _) in sums.items()}, SEED
    assert values("through_seen_bucket", "labels['le'] = '2.5'") == {n: below for n, (*_, below) in sums.items()}, SEED
