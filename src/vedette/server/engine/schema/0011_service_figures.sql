-- Rate, errors and durations per minute of what a service was asked to do (served: its server and consumer spans) and of
-- the rest. A service has a hundred states of durations in red_minute for each of these two, and merging them was all
-- that a list of services took its time for.
CREATE TABLE vedette.red_service_minute
(
    tenant      LowCardinality(String) CODEC(ZSTD(1)),
    month       Date CODEC(ZSTD(1)),
    minute      DateTime('UTC') CODEC(Delta, ZSTD(1)),
    service     LowCardinality(String) CODEC(ZSTD(1)),
    served      Bool CODEC(ZSTD(1)),
    count       SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    error_count SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    durations   AggregateFunction(quantilesDD(0.01, 0.5), Float64) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (tenant, minute, service, served)
-- All states of a granule are read when one of its rows is asked for.
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 256;

-- The same per hour.
CREATE TABLE vedette.red_service_hour
(
    tenant      LowCardinality(String) CODEC(ZSTD(1)),
    month       Date CODEC(ZSTD(1)),
    hour        DateTime('UTC') CODEC(Delta, ZSTD(1)),
    service     LowCardinality(String) CODEC(ZSTD(1)),
    served      Bool CODEC(ZSTD(1)),
    last_minute SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1)),
    count       SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    error_count SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    durations   AggregateFunction(quantilesDD(0.01, 0.5), Float64) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY month
ORDER BY (tenant, hour, service, served)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 256;

CREATE MATERIALIZED VIEW vedette.red_service_minute_to_red_service_hour TO vedette.red_service_hour AS
SELECT
    tenant,
    month,
    toStartOfHour(minute) AS hour,
    service,
    served,
    max(minute) AS last_minute,
    sum(red_service_minute.count) AS count,
    sum(red_service_minute.error_count) AS error_count,
    quantilesDDMergeState(0.01, 0.5)(red_service_minute.durations) AS durations
FROM vedette.red_service_minute
GROUP BY tenant, month, hour, service, served;

CREATE MATERIALIZED VIEW vedette.red_minute_to_red_service_minute TO vedette.red_service_minute AS
SELECT
    tenant,
    month,
    minute,
    service,
    kind IN ('server', 'consumer') AS served,
    sum(red_minute.count) AS count,
    sumIf(red_minute.count, status = 'error') AS error_count,
    quantilesDDMergeState(0.01, 0.5)(red_minute.durations) AS durations
FROM vedette.red_minute
GROUP BY tenant, month, minute, service, served;

-- The figures that are there already, and those of the hours by the view above. What an attempt that did not reach its
-- end has left goes first; nothing else fills these tables before all migrations are through.
ALTER TABLE vedette.red_service_minute DROP PARTITION ALL;

ALTER TABLE vedette.red_service_hour DROP PARTITION ALL;

INSERT INTO vedette.red_service_minute
SELECT
    tenant,
    month,
    minute,
    service,
    kind IN ('server', 'consumer') AS served,
    count,
    if(status = 'error', count, 0) AS error_count,
    durations
FROM vedette.red_minute
SETTINGS insert_deduplicate = 0;

-- Which versions of a service there were in which minutes; an empty one where its spans name none.
CREATE TABLE vedette.service_versions
(
    tenant  LowCardinality(String) CODEC(ZSTD(1)),
    month   Date CODEC(ZSTD(1)),
    minute  DateTime('UTC') CODEC(Delta, ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    version LowCardinality(String) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY month
ORDER BY (tenant, minute, service, version)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW vedette.spans_to_service_versions TO vedette.service_versions AS
SELECT DISTINCT tenant, toStartOfMonth(day) AS month, minute, service, JSONExtractString(resource::String, 'service.version') AS version
FROM (SELECT tenant, day, ${Minute} AS minute, service, resource FROM vedette.spans GROUP BY tenant, day, minute, service, resource);

-- Those of the spans that are there already; once more does no harm.
INSERT INTO vedette.service_versions
SELECT DISTINCT tenant, toStartOfMonth(day) AS month, minute, service, JSONExtractString(resource::String, 'service.version') AS version
FROM (SELECT tenant, day, ${Minute} AS minute, service, resource FROM vedette.spans GROUP BY tenant, day, minute, service, resource);
