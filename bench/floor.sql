-- The barest way of OTLP into a table: what arrives (a Null table), one view that flattens, one MergeTree. No log, no
-- rollups, no index, no ledger. ${Any} and ${Pairs} are put in by floor.py.

CREATE TABLE in_traces (resource_spans Array(Tuple(
    resource Tuple(attributes ${Pairs}),
    scope_spans Array(Tuple(spans Array(Tuple(
        trace_id String, span_id String, parent_span_id String, name String, kind Int32, start_time_unix_nano UInt64,
        end_time_unix_nano UInt64, attributes ${Pairs}, status Tuple(message String, code Int32))))))))
ENGINE = Null;

CREATE TABLE spans
(
    time DateTime64(9) CODEC(Delta, ZSTD(1)),
    trace_id FixedString(16), span_id FixedString(8), parent_span_id FixedString(8),
    name LowCardinality(String), service LowCardinality(String), kind Int8, duration_ns UInt64 CODEC(ZSTD(1)), status Int8,
    resource Map(LowCardinality(String), String) CODEC(ZSTD(1)), attributes Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = MergeTree PARTITION BY toDate(time) ORDER BY (service, name, time);

CREATE MATERIALIZED VIEW flatten_spans TO spans AS
SELECT
    fromUnixTimestamp64Nano(toInt64(s.start_time_unix_nano)) AS time,
    s.trace_id AS trace_id, s.span_id AS span_id, s.parent_span_id AS parent_span_id,
    s.name AS name, resource['service.name'] AS service, s.kind AS kind,
    s.end_time_unix_nano - s.start_time_unix_nano AS duration_ns, s.status.code AS status,
    resource, ${s.attributes} AS attributes
FROM (SELECT r.scope_spans AS scopes, ${r.resource.attributes} AS resource FROM in_traces ARRAY JOIN resource_spans AS r)
ARRAY JOIN scopes AS scope ARRAY JOIN scope.spans AS s;

CREATE TABLE in_logs (resource_logs Array(Tuple(
    resource Tuple(attributes ${Pairs}),
    scope_logs Array(Tuple(log_records Array(Tuple(
        time_unix_nano UInt64, severity_number Int32, body ${Any}, attributes ${Pairs}, trace_id String, span_id String)))))))
ENGINE = Null;

CREATE TABLE logs
(
    time DateTime64(9) CODEC(Delta, ZSTD(1)),
    trace_id FixedString(16), span_id FixedString(8), severity Int8, service LowCardinality(String), body String CODEC(ZSTD(1)),
    resource Map(LowCardinality(String), String) CODEC(ZSTD(1)), attributes Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = MergeTree PARTITION BY toDate(time) ORDER BY (service, time);

CREATE MATERIALIZED VIEW flatten_logs TO logs AS
SELECT
    fromUnixTimestamp64Nano(toInt64(l.time_unix_nano)) AS time,
    toFixedString(l.trace_id, 16) AS trace_id, toFixedString(l.span_id, 8) AS span_id, l.severity_number AS severity,
    resource['service.name'] AS service, l.body.string_value AS body, resource, ${l.attributes} AS attributes
FROM (SELECT r.scope_logs AS scopes, ${r.resource.attributes} AS resource FROM in_logs ARRAY JOIN resource_logs AS r)
ARRAY JOIN scopes AS scope ARRAY JOIN scope.log_records AS l;
