-- Rollups, filled by views as spans and log records arrive. They aggregate within each inserted block; merges and
-- queries aggregate further, so every query groups: sum(count), min(start),
-- quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations). Which quantiles and why: docs/adr/0003-rollups.md.

-- Where a trace lies in time, and what a list of traces shows of it.
CREATE TABLE vedette.trace_index
(
    tenant       LowCardinality(String) CODEC(ZSTD(1)),
    day          Date CODEC(ZSTD(1)),
    trace_id     FixedString(16) CODEC(ZSTD(1)),
    start        SimpleAggregateFunction(min, DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    end          SimpleAggregateFunction(max, DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    root_service SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    root_name    SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    services     SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
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
    tenant      LowCardinality(String) CODEC(ZSTD(1)),
    month       Date CODEC(ZSTD(1)),
    minute      DateTime('UTC') CODEC(Delta, ZSTD(1)),
    service     LowCardinality(String) CODEC(ZSTD(1)),
    name        LowCardinality(String) CODEC(ZSTD(1)),
    kind        ${SpanKind} CODEC(ZSTD(1)),
    status      ${SpanStatus} CODEC(ZSTD(1)),
    count       SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    duration_sum_ns SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    durations   AggregateFunction(quantilesDD(0.01, 0.5), Float64) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (tenant, minute, service, name, kind, status)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW vedette.spans_to_red_minute TO vedette.red_minute AS
SELECT
    tenant,
    toStartOfMonth(day) AS month,
    ${Minute} AS minute,
    service,
    name,
    kind,
    status,
    count() AS count,
    sum(duration_ns::Float64) AS duration_sum_ns,
    quantilesDDState(0.01, 0.5)(duration_ns::Float64) AS durations
FROM vedette.spans
GROUP BY tenant, month, minute, service, name, kind, status;

-- The same per hour, for ranges of many hours: a day of minutes has sixty times as many states to merge.
CREATE TABLE vedette.red_hour
(
    tenant      LowCardinality(String) CODEC(ZSTD(1)),
    month       Date CODEC(ZSTD(1)),
    hour        DateTime('UTC') CODEC(Delta, ZSTD(1)),
    service     LowCardinality(String) CODEC(ZSTD(1)),
    name        LowCardinality(String) CODEC(ZSTD(1)),
    kind        ${SpanKind} CODEC(ZSTD(1)),
    status      ${SpanStatus} CODEC(ZSTD(1)),
    last_minute SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1)),
    count       SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    duration_sum_ns SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    durations   AggregateFunction(quantilesDD(0.01, 0.5), Float64) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (tenant, hour, service, name, kind, status)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW vedette.red_minute_to_red_hour TO vedette.red_hour AS
SELECT
    tenant,
    month,
    toStartOfHour(minute) AS hour,
    service,
    name,
    kind,
    status,
    max(minute) AS last_minute,
    sum(count) AS count,
    sum(duration_sum_ns) AS duration_sum_ns,
    quantilesDDMergeState(0.01, 0.5)(durations) AS durations
FROM vedette.red_minute
GROUP BY tenant, month, hour, service, name, kind, status;

-- What a service does, by name and kind.
CREATE TABLE vedette.operations
(
    tenant    LowCardinality(String) CODEC(ZSTD(1)),
    service   LowCardinality(String) CODEC(ZSTD(1)),
    name      LowCardinality(String) CODEC(ZSTD(1)),
    kind      ${SpanKind} CODEC(ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1))
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
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    month  Date CODEC(ZSTD(1)),
    hour   DateTime('UTC') CODEC(ZSTD(1)),
    signal LowCardinality(String) CODEC(ZSTD(1)),
    rows   SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    bytes  SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (tenant, hour, signal)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW vedette.spans_to_usage_hour TO vedette.usage_hour AS
SELECT
    tenant,
    toStartOfMonth(day) AS month,
    ${Hour} AS hour,
    'traces' AS signal,
    count() AS rows,
    sum(byteSize(attributes, name, events.attributes, links.attributes, status_message) + 64) AS bytes
FROM vedette.spans
GROUP BY tenant, month, hour;

CREATE MATERIALIZED VIEW vedette.logs_to_usage_hour TO vedette.usage_hour AS
SELECT
    tenant,
    toStartOfMonth(day) AS month,
    ${Hour} AS hour,
    'logs' AS signal,
    count() AS rows,
    sum(byteSize(attributes, body) + 64) AS bytes
FROM vedette.logs
GROUP BY tenant, month, hour;

-- The service graph. A call is made of two spans, the caller's and the one that was called, which may arrive in any
-- order and in different segments. Each leaves a half here under the caller's span id; halves that have met are counted
-- once a minute (rollups/close_edges.sql), and vedette.service_edges counts those of the last minutes as it is read.
-- `arrived` is the minute of the insert.
CREATE TABLE vedette.edge_halves
(
    tenant     LowCardinality(String) CODEC(ZSTD(1)),
    arrived    DateTime('UTC') CODEC(Delta, ZSTD(1)),
    day        Date CODEC(ZSTD(1)),
    trace_id   FixedString(16) CODEC(ZSTD(1)),
    span_id    FixedString(8) CODEC(ZSTD(1)),
    called     Bool CODEC(ZSTD(1)),
    messaging  Bool CODEC(ZSTD(1)),
    failed     Bool CODEC(ZSTD(1)),
    service    LowCardinality(String) CODEC(ZSTD(1)),
    time       DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    duration_ns UInt64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (arrived, tenant, trace_id)
TTL arrived + INTERVAL 1 HOUR
SETTINGS non_replicated_deduplication_window = 10000, merge_with_ttl_timeout = 600;

CREATE MATERIALIZED VIEW vedette.spans_to_edge_halves TO vedette.edge_halves AS
SELECT
    tenant,
    toStartOfMinute(now('UTC')) AS arrived,
    day,
    trace_id,
    if(kind IN ('server', 'consumer'), parent_span_id, span_id) AS span_id,
    kind IN ('server', 'consumer') AS called,
    kind IN ('producer', 'consumer') AS messaging,
    status = 'error' AS failed,
    service,
    time,
    duration_ns
FROM vedette.spans
WHERE multiIf(
    kind = 'producer', true,
    kind = 'client', NOT mapContains(attributes, 'db.system.name') AND NOT mapContains(attributes, 'db.system'),
    kind IN ('server', 'consumer'), parent_span_id != toFixedString('', 8),
    false);

-- Calls by minute, as the caller saw them: a call failed if either side says so. `closed` is the minute up to which
-- halves have been counted, and the epoch for what needs no halves.
CREATE TABLE vedette.service_edges_closed
(
    tenant          LowCardinality(String) CODEC(ZSTD(1)),
    month           Date CODEC(ZSTD(1)),
    minute          DateTime('UTC') CODEC(Delta, ZSTD(1)),
    client          LowCardinality(String) CODEC(ZSTD(1)),
    server          LowCardinality(String) CODEC(ZSTD(1)),
    connection_type ${ConnectionType} CODEC(ZSTD(1)),
    count           SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    errors          SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    duration_sum_ns SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    durations       AggregateFunction(quantilesDD(0.01, 0.5), Float64) CODEC(ZSTD(1)),
    closed          SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (tenant, minute, client, server, connection_type)
SETTINGS non_replicated_deduplication_window = 10000;

-- A database is called without a span of its own, so its edge is known at once. Its name: what it is called, or what
-- it is.
CREATE MATERIALIZED VIEW vedette.spans_to_service_edges TO vedette.service_edges_closed AS
SELECT
    tenant,
    toStartOfMonth(day) AS month,
    ${Minute} AS minute,
    service AS client,
    arrayFirst(x -> x != '', [attributes['peer.service'], attributes['db.namespace'], attributes['db.name'], attributes['db.system.name'], attributes['db.system']]) AS server,
    'database' AS connection_type,
    count() AS count,
    countIf(status = 'error') AS errors,
    sum(duration_ns::Float64) AS duration_sum_ns,
    quantilesDDState(0.01, 0.5)(duration_ns::Float64) AS durations,
    toDateTime(0, 'UTC') AS closed
FROM vedette.spans
WHERE kind = 'client' AND (mapContains(attributes, 'db.system.name') OR mapContains(attributes, 'db.system'))
GROUP BY tenant, month, minute, client, server;

-- Names of attributes. `place` is 'attribute' or 'resource'.
CREATE TABLE vedette.attribute_keys
(
    tenant    LowCardinality(String) CODEC(ZSTD(1)),
    month     Date CODEC(ZSTD(1)),
    signal    LowCardinality(String) CODEC(ZSTD(1)),
    place     LowCardinality(String) CODEC(ZSTD(1)),
    key       LowCardinality(String) CODEC(ZSTD(1)),
    count     SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (tenant, signal, place, key)
SETTINGS non_replicated_deduplication_window = 10000;

-- Frequent values of attributes, from a sample: `count` ranks, it does not count. A value of more than 128 bytes is
-- left empty.
CREATE TABLE vedette.attribute_values
(
    tenant    LowCardinality(String) CODEC(ZSTD(1)),
    month     Date CODEC(ZSTD(1)),
    signal    LowCardinality(String) CODEC(ZSTD(1)),
    place     LowCardinality(String) CODEC(ZSTD(1)),
    key       LowCardinality(String) CODEC(ZSTD(1)),
    value     String CODEC(ZSTD(1)),
    count     SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (tenant, signal, place, key, value)
SETTINGS non_replicated_deduplication_window = 10000;

-- Of an insert, the first twenty rows of each operation or logger stand for all, and of their values the twenty most
-- frequent of each key are kept.
CREATE MATERIALIZED VIEW vedette.spans_to_attribute_values TO vedette.attribute_values AS
SELECT
    tenant,
    month,
    'traces' AS signal,
    pair.1 AS place,
    pair.2 AS key,
    if(length(pair.3) > 128, '', pair.3) AS value,
    count() AS count,
    max(minute) AS last_seen
FROM
(
    SELECT
        tenant,
        toStartOfMonth(day) AS month,
        ${Minute} AS minute,
        ${AttributePairs} AS pairs
    FROM vedette.spans
    LIMIT 20 BY tenant, service, name
)
ARRAY JOIN pairs AS pair
GROUP BY tenant, month, place, key, value
ORDER BY count DESC, value
LIMIT 20 BY tenant, month, place, key;

CREATE MATERIALIZED VIEW vedette.logs_to_attribute_values TO vedette.attribute_values AS
SELECT
    tenant,
    month,
    'logs' AS signal,
    pair.1 AS place,
    pair.2 AS key,
    if(length(pair.3) > 128, '', pair.3) AS value,
    count() AS count,
    max(minute) AS last_seen
FROM
(
    SELECT
        tenant,
        toStartOfMonth(day) AS month,
        ${Minute} AS minute,
        ${AttributePairs} AS pairs
    FROM vedette.logs
    LIMIT 20 BY tenant, service, severity_number
)
ARRAY JOIN pairs AS pair
GROUP BY tenant, month, place, key, value
ORDER BY count DESC, value
LIMIT 20 BY tenant, month, place, key;

CREATE MATERIALIZED VIEW vedette.attribute_values_to_attribute_keys TO vedette.attribute_keys AS
SELECT tenant, month, signal, place, key, sum(count) AS count, max(last_seen) AS last_seen
FROM vedette.attribute_values
GROUP BY tenant, month, signal, place, key;
