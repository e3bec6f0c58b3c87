"""Which representation of attributes costs how much: ingest CPU, bytes on disk, and the CPU of four kinds of query.

    python bench/attributes/run.py [--spans 400000]

Spans of a shop (payloads.py) go through the product's own wire format into one table in memory. From there each
representation is filled by one INSERT … SELECT, merged into one part, and asked the same questions. Figures are the
best of several runs, printed as ratios to the first representation: what they mean does not depend on the machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from chdb import session
from payloads import Shop, segments

from vedette.server.engine.formats import by_name
from vedette.server.engine.migrate import load_migrations

TYPES = "Enum8('bool' = 2, 'int' = 3, 'double' = 4, 'json' = 5, 'bytes' = 7)"
TEXT = f"a Map(LowCardinality(String), String) CODEC(ZSTD(1)), t Map(LowCardinality(String), {TYPES}) CODEC(ZSTD(1))"
TEXT_FROM = "attributes AS a, attribute_types AS t"
TYPED_FROM = """
mapFilter((k, v) -> NOT mapContains(attribute_types, k), attributes) AS s,
mapApply((k, v) -> (k, toInt64OrZero(v)), mapFilter((k, v) -> attribute_types[k] = 'int' AND mapContains(attribute_types, k), attributes)) AS i,
mapApply((k, v) -> (k, toFloat64OrZero(v)), mapFilter((k, v) -> attribute_types[k] = 'double', attributes)) AS d,
mapApply((k, v) -> (k, v = 'true'), mapFilter((k, v) -> attribute_types[k] = 'bool' AND mapContains(attribute_types, k), attributes)) AS b
"""
JSON_FROM = """
concat('{', arrayStringConcat(arrayMap((k, v) -> concat(toJSONString(k::String), ':', if(mapContains(attribute_types, k), v, toJSONString(v))), mapKeys(attributes), mapValues(attributes)), ','), '}')::JSON AS j
"""
BUCKETS = (
    "map_serialization_version = 'with_buckets', map_serialization_version_for_zero_level_parts = 'basic', "
    "map_buckets_min_avg_size = 0, map_buckets_strategy = 'constant', max_buckets_in_map = {}"
)
TEXT_QUERIES = {
    "rare value": "SELECT count() FROM r WHERE a['app.user.id'] = '4711'",
    "frequent value": "SELECT count() FROM r WHERE a['http.request.method'] = 'GET'",
    "number": "SELECT count() FROM r WHERE toFloat64OrNull(a['http.response.status_code']) >= 500",
    "group by": "SELECT a['http.route'] AS x, count() FROM r GROUP BY x",
}
TYPED_QUERIES = {
    "rare value": "SELECT count() FROM r WHERE i['app.user.id'] = 4711",
    "frequent value": "SELECT count() FROM r WHERE s['http.request.method'] = 'GET'",
    "number": "SELECT count() FROM r WHERE i['http.response.status_code'] >= 500 OR d['http.response.status_code'] >= 500",
    "group by": "SELECT s['http.route'] AS x, count() FROM r GROUP BY x",
}
JSON_QUERIES = {
    "rare value": "SELECT count() FROM r WHERE j.`app.user.id`.:Int64 = 4711",
    "frequent value": "SELECT count() FROM r WHERE j.`http.request.method`.:String = 'GET'",
    "number": "SELECT count() FROM r WHERE j.`http.response.status_code`.:Int64 >= 500",
    "group by": "SELECT j.`http.route`.:String AS x, count() FROM r GROUP BY x",
}
BLOOM = "INDEX v mapValues(a) TYPE bloom_filter(0.01) GRANULARITY 1"
TOKENS = "INDEX v mapValues(a) TYPE text(tokenizer = 'array')"
VARIANTS = {
    "Map of texts": (TEXT, TEXT_FROM, "", TEXT_QUERIES),
    "Map of LowCardinality texts": (
        TEXT.replace("String), String)", "String), LowCardinality(String))"),
        TEXT_FROM,
        "",
        TEXT_QUERIES,
    ),
    "Map of LowCardinality texts, bloom filter": (
        TEXT.replace("String), String)", "String), LowCardinality(String))") + ", " + BLOOM,
        TEXT_FROM,
        "",
        TEXT_QUERIES,
    ),
    "Map of texts, 8 buckets after merge": (TEXT, TEXT_FROM, BUCKETS.format(8), TEXT_QUERIES),
    "Map of texts, 32 buckets after merge": (TEXT, TEXT_FROM, BUCKETS.format(32), TEXT_QUERIES),
    "Map of texts, bloom filter": (f"{TEXT}, {BLOOM}", TEXT_FROM, "", TEXT_QUERIES),
    "Map of texts, text index": (f"{TEXT}, {TOKENS}", TEXT_FROM, "", TEXT_QUERIES),
    "typed Maps": (
        (
            "s Map(LowCardinality(String), String) CODEC(ZSTD(1)), i Map(LowCardinality(String), Int64) CODEC(ZSTD(1)), "
            "d Map(LowCardinality(String), Float64) CODEC(ZSTD(1)), b Map(LowCardinality(String), Bool) CODEC(ZSTD(1))"
        ),
        TYPED_FROM,
        "",
        TYPED_QUERIES,
    ),
    "JSON": ("j JSON CODEC(ZSTD(1))", JSON_FROM, "", JSON_QUERIES),
}


def quote(value: object) -> str:
    return str(value) if isinstance(value, int) else "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def cpu(run: session.Session, sql: str, times: int = 5) -> float:
    best = float("inf")
    for _ in range(times):
        begin = time.process_time()
        run.query(sql)
        best = min(best, time.process_time() - begin)
    return best


def load(run: session.Session, spans: int) -> None:
    """Fill `base` in memory by the product's own wire format."""
    for migration in load_migrations():
        for statement in migration.statements:
            if "MATERIALIZED VIEW vedette.spans_to_" not in statement:
                run.query(statement)
    wire = by_name("otlp_traces")
    for number, (segment, _) in enumerate(segments(Shop().traces(spans), "acme")):
        settings = ", ".join(f"{k} = {quote(v)}" for k, v in wire.settings.items())
        insert = run.send_insert(
            f"INSERT INTO {wire.table} SETTINGS {settings}, insert_deduplication_token = '{number}'", "Protobuf"
        )
        insert.append(segment)
        insert.finish()
    run.query("CREATE TABLE base ENGINE = Memory AS SELECT time, attributes, attribute_types FROM vedette.spans")


def measure(run: session.Session, variant: tuple[str, str, str, dict[str, str]]) -> dict[str, float]:
    columns, source, settings, queries = variant
    create = (
        f"CREATE TABLE r (time DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)), {columns}) ENGINE = MergeTree ORDER BY time"
    )
    fill = f"INSERT INTO r SELECT time, {source} FROM base SETTINGS max_threads = 1, max_insert_threads = 1"
    found: dict[str, float] = {"ingest": float("inf")}
    # Where a view would compute the columns from OTLP's arrays as cheaply as the texts, only the writing counts; JSON has
    # to be printed and parsed whatever comes before.
    shown = TEXT_FROM if source == JSON_FROM else source
    read = cpu(run, f"SELECT time, {shown} FROM base FORMAT Null SETTINGS max_threads = 1", 3)
    for _ in range(3):
        run.query("DROP TABLE IF EXISTS r SYNC")
        run.query(f"{create} SETTINGS {settings}" if settings else create)
        found["ingest"] = min(found["ingest"], cpu(run, fill, 1) - read)
    found["merge"] = cpu(run, "OPTIMIZE TABLE r FINAL", 1)
    size = run.query("SELECT sum(bytes_on_disk) FROM system.parts WHERE table = 'r' AND active", "TSV")
    found["bytes"] = float(str(size))
    for name, sql in queries.items():
        found[name] = cpu(run, f"{sql} FORMAT Null SETTINGS max_threads = 1, use_query_condition_cache = 0")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=400_000)
    spans = parser.parse_args().spans
    with tempfile.TemporaryDirectory() as folder:
        run = session.Session(str(Path(folder) / "engine"))
        run.query("CREATE DATABASE vedette")
        run.query("CREATE DATABASE vedette_sql")
        run.query("CREATE DATABASE bench")
        run.query("USE bench")
        load(run, spans)
        first: dict[str, float] = {}
        for name, variant in VARIANTS.items():
            found = measure(run, variant)
            if not first:
                first = found
                print(f"{spans} spans; {name}: " + ", ".join(f"{k} {v:.4g}" for k, v in found.items()))
                print("| representation | " + " | ".join(found) + " |")
                print("|---" * (len(found) + 1) + "|")
            print(f"| {name} | " + " | ".join(f"{found[key] / first[key]:.2f}" for key in found) + " |", flush=True)


if __name__ == "__main__":
    main()
