-- What arrived lately: by these two tables a reader that keeps series and samples in memory learns what to read anew.
-- `added` is the time of the insert, so that rows of any age are noticed.

CREATE TABLE vedette.series_arrivals
(
    tenant LowCardinality(String) CODEC(ZSTD(1)),
    added  DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    day    Date CODEC(ZSTD(1)),
    id     UInt64 CODEC(ZSTD(1)),
    name   LowCardinality(String) CODEC(ZSTD(1)),
    labels Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(added)
ORDER BY (tenant, added)
TTL toDateTime(added) + INTERVAL 1 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- One row per insert and hour of samples; `kind` is the table.
CREATE TABLE vedette.sample_arrivals
(
    tenant   LowCardinality(String) CODEC(ZSTD(1)),
    added    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    kind     Enum8('samples' = 0, 'histograms' = 1) CODEC(ZSTD(1)),
    earliest DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    latest   DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    count    UInt64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(added)
ORDER BY (tenant, added)
TTL toDateTime(added) + INTERVAL 1 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW vedette.series_to_series_arrivals TO vedette.series_arrivals AS
SELECT tenant, now64(3, 'UTC') AS added, day, id, name, labels
FROM vedette.series;

CREATE MATERIALIZED VIEW vedette.samples_to_sample_arrivals TO vedette.sample_arrivals AS
SELECT tenant, now64(3, 'UTC') AS added, 'samples' AS kind, min(time) AS earliest, max(time) AS latest, count() AS count
FROM vedette.samples
GROUP BY tenant, hour;

CREATE MATERIALIZED VIEW vedette.histograms_to_sample_arrivals TO vedette.sample_arrivals AS
SELECT tenant, now64(3, 'UTC') AS added, 'histograms' AS kind, min(time) AS earliest, max(time) AS latest, count() AS count
FROM vedette.histograms
GROUP BY tenant, hour;
