-- Metrics in Prometheus' data model: series, samples, native histograms, exemplars, metadata.
--
-- A series is a metric name with a set of labels. Its id is
--     sipHash64(tenant, name, wrapping sum over the labels of sipHash64(label name, label value))
-- with __name__ and labels of empty value left out: the order of the labels does not matter, and every way in
-- (OTLP, remote write, scraping) gives the same series the same id.

-- `day` is the partition that a row's time belongs to (partition_day in formats/common.sql).

-- One row per series and day on which it had a sample or a native histogram; the day's partition goes with its samples.
-- Merges remove duplicates: readers group by id.
CREATE TABLE vedette.series
(
    tenant LowCardinality(String),
    day    Date,
    id     UInt64,
    name   LowCardinality(String),
    labels Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY day
ORDER BY (tenant, name, id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000;

-- Float samples, stale markers (the NaN 0x7ff0000000000002) included. Two samples of a series at one time are possible
-- until a merge keeps the later one: readers take the last.
CREATE TABLE vedette.samples
(
    tenant     LowCardinality(String),
    day        Date,
    hour       DateTime('UTC') CODEC(Delta, ZSTD(1)),
    series     UInt64 CODEC(ZSTD(1)),
    time       DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    value      Float64 CODEC(Delta, ZSTD(1)),
    start_time DateTime64(3, 'UTC') CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY day
ORDER BY (tenant, hour, series, time)
SETTINGS non_replicated_deduplication_window = 10000;

-- Native histogram samples, always in float form, as the PromQL evaluator wants them.
-- schema -4…8: bucket i of positive_* holds (2^((i-1)·2^-schema), 2^(i·2^-schema)], negative_* the mirror image.
-- schema -53: custom buckets; bucket i holds (custom_bounds[i], custom_bounds[i+1]] with i from 0.
-- *_counts are absolute counts (neither deltas nor cumulative) beside the *_indexes they belong to, ascending; empty
-- buckets are left out. A stale marker is a row whose sum is the NaN 0x7ff0000000000002.
CREATE TABLE vedette.histograms
(
    tenant             LowCardinality(String),
    day                Date,
    hour               DateTime('UTC') CODEC(Delta, ZSTD(1)),
    series             UInt64 CODEC(ZSTD(1)),
    time               DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    start_time         DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    schema             Int8,
    zero_threshold     Float64 CODEC(ZSTD(1)),
    zero_count         Float64 CODEC(ZSTD(1)),
    count              Float64 CODEC(ZSTD(1)),
    sum                Float64 CODEC(ZSTD(1)),
    positive_indexes   Array(Int32) CODEC(Delta, ZSTD(1)),
    positive_counts    Array(Float64) CODEC(ZSTD(1)),
    negative_indexes   Array(Int32) CODEC(Delta, ZSTD(1)),
    negative_counts    Array(Float64) CODEC(ZSTD(1)),
    custom_bounds      Array(Float64) CODEC(ZSTD(1)),
    counter_reset_hint ${CounterResetHint}
)
ENGINE = ReplacingMergeTree
PARTITION BY day
ORDER BY (tenant, hour, series, time)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE vedette.exemplars
(
    tenant   LowCardinality(String),
    day      Date,
    hour     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    series   UInt64 CODEC(ZSTD(1)),
    time     DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    value    Float64 CODEC(ZSTD(1)),
    trace_id FixedString(16),
    span_id  FixedString(8),
    labels   Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY day
ORDER BY (tenant, hour, series, time, trace_id, span_id, value)
SETTINGS non_replicated_deduplication_window = 10000;

-- What is known of a metric family; `name` is its name in Prometheus without _bucket, _sum and _count. Later rows win.
CREATE TABLE vedette.metadata
(
    tenant LowCardinality(String),
    name   String,
    type   LowCardinality(String),
    unit   LowCardinality(String),
    help   String
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, name)
SETTINGS non_replicated_deduplication_window = 10000;
