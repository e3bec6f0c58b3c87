-- Rollups, filled by views as spans and log records arrive. They aggregate within each inserted block; merges and
-- queries aggregate further, so every query groups: sum(count), min(start), quantilesTDigestMerge(…)(durations).

-- Where a trace lies in time, and what a list of traces shows of it.
CREATE TABLE vedette.trace_index
(
    tenant       LowCardinality(String),
    day          Date,
    trace_id     FixedString(16) CODEC(ZSTD(1)),
    start        SimpleAggregateFunction(min, DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    end          SimpleAggregateFunction(max, DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    root_service SimpleAggregateFunction(max, LowCardinality(String)),
    root_name    SimpleAggregateFunction(max, LowCardinality(String)),
    services     SimpleAggregateFunction(groupUniqArrayArray, Array(String)),
    span_count   SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    error_count  SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY day
ORDER BY (tenant, trace_id)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 2048;

CREATE MATERIALIZED VIEW vedette.spans_to_trace_index TO vedette.trace_index AS
SELECT
    tenant,
    day,
    trace_id,
    min(time) AS start,
    max(time + toIntervalNanosecond(least(duration_ns, 9223372036854775807 - toUnixTimestamp64Nano(time)))) AS end,
    maxIf(service, parent_span_id = toFixedString('', 8)) AS root_service,
    maxIf(name, parent_span_id = toFixedString('', 8)) AS root_name,
    groupUniqArray(service) AS services,
    count() AS span_count,
    countIf(status = 'error') AS error_count
FROM vedette.spans
GROUP BY tenant, day, trace_id;

-- Rate, errors and durations (nanoseconds) per minute, service, operation, kind and status.
CREATE TABLE vedette.red_minute
(
    tenant      LowCardinality(String),
    month       Date,
    minute      DateTime('UTC') CODEC(Delta, ZSTD(1)),
    service     LowCardinality(String),
    name        LowCardinality(String),
    kind        ${SpanKind},
    status      ${SpanStatus},
    count       SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    duration_sum_ns SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    durations   AggregateFunction(quantilesTDigest(0.5), Float32)
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (tenant, minute, service, name, kind, status)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW vedette.spans_to_red_minute TO vedette.red_minute AS
SELECT
    tenant,
    toStartOfMonth(day) AS month,
    toStartOfMinute(least(time, toDateTime64('2106-01-01 00:00:00', 9, 'UTC')))::DateTime('UTC') AS minute,
    service,
    name,
    kind,
    status,
    count() AS count,
    sum(duration_ns::Float64) AS duration_sum_ns,
    quantilesTDigestState(0.5)(duration_ns::Float32) AS durations
FROM vedette.spans
GROUP BY tenant, month, minute, service, name, kind, status;

-- What a service does, by name and kind.
CREATE TABLE vedette.operations
(
    tenant    LowCardinality(String),
    service   LowCardinality(String),
    name      LowCardinality(String),
    kind      ${SpanKind},
    last_seen SimpleAggregateFunction(max, DateTime('UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, service, name, kind)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW vedette.red_minute_to_operations TO vedette.operations AS
SELECT tenant, service, name, kind, max(minute) AS last_seen
FROM vedette.red_minute
GROUP BY tenant, service, name, kind;

-- Rows and bytes by tenant and signal. Bytes are those of the texts, ids and values kept, before compression.
CREATE TABLE vedette.usage_hour
(
    tenant LowCardinality(String),
    month  Date,
    hour   DateTime('UTC'),
    signal LowCardinality(String),
    rows   SimpleAggregateFunction(sum, UInt64),
    bytes  SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (tenant, hour, signal)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW vedette.spans_to_usage_hour TO vedette.usage_hour AS
SELECT
    tenant,
    toStartOfMonth(day) AS month,
    toStartOfHour(least(time, toDateTime64('2106-01-01 00:00:00', 9, 'UTC')))::DateTime('UTC') AS hour,
    'traces' AS signal,
    count() AS rows,
    sum(byteSize(attributes, name, events.attributes, links.attributes, status_message) + 64) AS bytes
FROM vedette.spans
GROUP BY tenant, month, hour;

CREATE MATERIALIZED VIEW vedette.logs_to_usage_hour TO vedette.usage_hour AS
SELECT
    tenant,
    toStartOfMonth(day) AS month,
    toStartOfHour(least(time, toDateTime64('2106-01-01 00:00:00', 9, 'UTC')))::DateTime('UTC') AS hour,
    'logs' AS signal,
    count() AS rows,
    sum(byteSize(attributes, body) + 64) AS bytes
FROM vedette.logs
GROUP BY tenant, month, hour;
