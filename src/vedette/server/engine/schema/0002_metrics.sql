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

-- What a way in hands over: one row per point, that is per set of attributes and time. Sample i is samples[i] of the
-- series with the id series[i], the name names[i] and, where it is not empty, the label extra_label = extra_values[i];
-- the other labels are keys and target_keys with their values. A native histogram has a series but no sample. A rejected
-- point has neither. Exemplar i belongs to series[ex.sample[i]].
CREATE TABLE vedette.metric_points
(
    tenant LowCardinality(String),
    day Date,
    time DateTime64(3, 'UTC'),
    start_time DateTime64(3, 'UTC'),
    rejected LowCardinality(String),
    keys Array(String),
    values Array(String),
    target_keys Array(String),
    target_values Array(String),
    names Array(String),
    extra_label LowCardinality(String),
    extra_values Array(String),
    series Array(UInt64),
    samples Array(Float64),
    `ex.sample` Array(UInt64),
    `ex.time` Array(DateTime64(3, 'UTC')),
    `ex.value` Array(Float64),
    `ex.trace_id` Array(String),
    `ex.span_id` Array(String),
    `ex.keys` Array(Array(String)),
    `ex.values` Array(Array(String)),
    is_native Bool,
    schema Int8,
    zero_threshold Float64,
    zero_count Float64,
    count Float64,
    sum Float64,
    positive_indexes Array(Int32),
    positive_counts Array(Float64),
    negative_indexes Array(Int32),
    negative_counts Array(Float64),
    counter_reset_hint ${CounterResetHint}
)
ENGINE = Null;

CREATE MATERIALIZED VIEW vedette.metric_points_to_samples TO vedette.samples AS
SELECT tenant, day, toStartOfHour(time) AS hour, series_id AS series, time, sample AS value, start_time
FROM (SELECT tenant, day, time, start_time, series, samples FROM vedette.metric_points WHERE notEmpty(samples))
ARRAY JOIN series AS series_id, samples AS sample;

-- Only series that the day does not have yet, so that a series costs a row a day and not one with every sample.
CREATE MATERIALIZED VIEW vedette.metric_points_to_series TO vedette.series AS
SELECT tenant, day, id, name, CAST((labels.1, labels.2), 'Map(LowCardinality(String), String)') AS labels
FROM
(
    SELECT
        tenant,
        day,
        id,
        name,
        arraySort(arrayConcat(
            arrayZip(keys, values),
            arrayZip(target_keys, target_values),
            if(extra_value = '', [], [(extra_label::String, extra_value)]))) AS labels
    FROM vedette.metric_points
    ARRAY JOIN series AS id, names AS name, extra_values AS extra_value
    WHERE (tenant, day, id) NOT IN (SELECT tenant, day, id FROM vedette.series)
    LIMIT 1 BY tenant, day, id
);

CREATE MATERIALIZED VIEW vedette.metric_points_to_histograms TO vedette.histograms AS
SELECT
    tenant, day, toStartOfHour(time) AS hour, series[1] AS series, time, start_time, schema, zero_threshold, zero_count,
    count, sum, positive_indexes, positive_counts, negative_indexes, negative_counts, counter_reset_hint
FROM (SELECT * FROM vedette.metric_points WHERE is_native);

CREATE MATERIALIZED VIEW vedette.metric_points_to_exemplars TO vedette.exemplars AS
SELECT
    tenant,
    day,
    toStartOfHour(`ex.time`) AS hour,
    series[`ex.sample`] AS series,
    `ex.time` AS time,
    `ex.value` AS value,
    toFixedString(if(length(`ex.trace_id`) = 16, `ex.trace_id`, ''), 16) AS trace_id,
    toFixedString(if(length(`ex.span_id`) = 8, `ex.span_id`, ''), 8) AS span_id,
    CAST((`ex.keys`, `ex.values`), 'Map(LowCardinality(String), String)') AS labels
FROM (SELECT tenant, day, series, COLUMNS('^ex[.]') FROM vedette.metric_points WHERE notEmpty(`ex.sample`))
ARRAY JOIN COLUMNS('^ex[.]');
