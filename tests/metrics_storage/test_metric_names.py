"""Names, units and types in Prometheus, and how floats are written in labels."""

from __future__ import annotations

from otlp_requests import gauge, histogram, request, summary, total

from vedette.server.ingest.otlp import METRICS, from_protobuf

NAMES = [
    (gauge("cpu.load", 1.0), "cpu.load", "gauge", ""),
    (gauge("cpu.load", 1.0, unit="1"), "cpu.load_ratio", "gauge", "ratio"),
    (gauge("cpu_ratio", 1.0, unit="1"), "cpu_ratio", "gauge", "ratio"),
    (gauge("ratio", 1.0, unit="1"), "ratio_ratio", "gauge", "ratio"),
    (gauge("memory.usage", 1.0, unit="By"), "memory.usage_bytes", "gauge", "bytes"),
    (gauge("memory_bytes", 1.0, unit="By"), "memory_bytes", "gauge", "bytes"),
    (gauge("memory", 1.0, unit="MiBy"), "memory_mebibytes", "gauge", "mebibytes"),
    (gauge("memory", 1.0, unit="TiBy"), "memory_tebibytes", "gauge", "tebibytes"),
    (gauge("memory", 1.0, unit="kBy"), "memory_kilobytes", "gauge", "kilobytes"),
    (gauge("wait", 1.0, unit="ms"), "wait_milliseconds", "gauge", "milliseconds"),
    (gauge("wait", 1.0, unit="us"), "wait_microseconds", "gauge", "microseconds"),
    (gauge("age", 1.0, unit="d"), "age_days", "gauge", "days"),
    (gauge("heat", 1.0, unit="Cel"), "heat_celsius", "gauge", "celsius"),
    (gauge("full", 1.0, unit="%"), "full_percent", "gauge", "percent"),
    (gauge("speed", 1.0, unit="m/s"), "speed_meters_per_second", "gauge", "meters_per_second"),
    (gauge("net", 1.0, unit="By/s"), "net_bytes_per_second", "gauge", "bytes_per_second"),
    (gauge("net_bytes_per_second", 1.0, unit="By/s"), "net_bytes_per_second", "gauge", "bytes_per_second"),
    (gauge("rate", 1.0, unit="1/m"), "rate_per_minute", "gauge", "per_minute"),
    (gauge("rate", 1.0, unit="{request}/s"), "rate_per_second", "gauge", "per_second"),
    (gauge("per", 1.0, unit="By/{request}"), "per_bytes", "gauge", "bytes"),
    (gauge("queue", 1.0, unit="{item}"), "queue", "gauge", ""),
    (gauge("pressure", 1.0, unit="hPa"), "pressure_hPa", "gauge", "hPa"),
    (gauge("größe", 1.0), "größe", "gauge", ""),
    (total("requests", 1), "requests_total", "counter", ""),
    (total("requests_total", 1), "requests_total", "counter", ""),
    (total("requests", 1, unit="1"), "requests_total", "counter", ""),
    (total("cpu.time", 1, unit="s"), "cpu.time_seconds_total", "counter", "seconds"),
    (total("cpu_seconds_total", 1, unit="s"), "cpu_seconds_total", "counter", "seconds"),
    (total("read", 1, unit="By/s"), "read_bytes_per_second_total", "counter", "bytes_per_second"),
    (total("active", 1, monotonic=False), "active", "gauge", ""),
    (total("share", 1, unit="1", monotonic=False), "share", "gauge", ""),
]


async def test_names_units_and_types_are_those_of_prometheus(store):
    segment = b""
    for number, (metric, *_) in enumerate(NAMES):
        metric.description = f"case {number}"
        payload = from_protobuf(METRICS, f"{store.tenant}-{number}", request(metric).SerializeToString())
        segment += b"".join(payload.pieces)
    await store.load("otlp_metrics", segment)
    found = await store.rows(
        "SELECT m.name AS name, type, unit, s.name AS series, help FROM vedette.metadata AS m "
        "INNER JOIN vedette.series AS s USING tenant WHERE startsWith(tenant, {tenant:String}) "
        "ORDER BY toUInt32(splitByChar('-', tenant)[-1])"
    )
    assert [(row["name"], row["type"], row["unit"]) for row in found] == [case[1:] for case in NAMES]
    assert [row["series"] for row in found] == [case[1] for case in NAMES]
    assert [row["help"] for row in found] == [f"case {number}" for number in range(len(NAMES))]


async def test_histograms_and_summaries_have_their_unit_before_the_series_suffix(store):
    duration = histogram("duration", [1, 2], [1.0])
    duration.unit = "s"
    size = summary("size", {0.5: 1.0})
    size.unit = "By"
    await store.insert(request(duration, size))
    assert {name.split("{")[0] for name in await store.values()} == {
        "duration_seconds_count",
        "duration_seconds_sum",
        "duration_seconds_bucket",
        "size_bytes",
        "size_bytes_count",
        "size_bytes_sum",
    }


async def test_bounds_are_written_as_openmetrics_writes_floats(store):
    bounds = [-1e300, -2.5, -1e-7, 0.0, 1e-300, 2.5e-05, 0.0001, 0.005, 0.1, 1.0, 2.5, 1000.0, 123456.75, 999999.0]
    bounds += [1e6, 1234567.5, 1e15, 1e21, 1.7976931348623157e308]
    await store.insert(request(histogram("h", [1] * (len(bounds) + 1), bounds)))
    found = [name.split('le="')[1][:-2] for name in await store.values() if "le=" in name]
    assert sorted(found, key=float) == [
        "-1e+300",
        "-2.5",
        "-1e-07",
        "0.0",
        "1e-300",
        "2.5e-05",
        "0.0001",
        "0.005",
        "0.1",
        "1.0",
        "2.5",
        "1000.0",
        "123456.75",
        "999999.0",
        "1e+06",
        "1.2345675e+06",
        "1e+15",
        "1e+21",
        "1.7976931348623157e+308",
        "+Inf",
    ]
