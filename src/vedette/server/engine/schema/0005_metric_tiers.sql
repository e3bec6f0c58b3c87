-- Summaries of samples per series and 5 minutes, and per series and hour: docs/adr/0007-downsampling.md. They are made
-- of whole hours by rollups/tiers.py.
--
-- A bucket holds the samples later than `time` - 5 minutes (an hour) and up to `time`, both its ends as PromQL's windows
-- have them. Stale markers are no samples here, but `stale` tells that one is behind the last sample; in a bucket of
-- nothing else `count` is 0. `first_before` and `last_before` are milliseconds from the first and last sample to `time`,
-- `reset_sum` what a counter's resets within the bucket took away, `resets` and `changes` how often the value fell and
-- was another than before; `min` and `max` look past NaN.
--
-- Of two rows for one bucket the one made of more samples counts, then the later one: `version` is
-- samples (with markers) * 2^32 + when it was made, seconds. So a bucket may be made again at any time, and one that is
-- made when some of its samples are gone already changes nothing. Readers take the row with the highest version.

-- `span` is the start of the hour.
CREATE TABLE vedette.samples_5m
(
    tenant       LowCardinality(String) CODEC(ZSTD(1)),
    week         Date CODEC(ZSTD(1)),
    span         DateTime('UTC') CODEC(Delta, ZSTD(1)),
    series       UInt64 CODEC(ZSTD(1)),
    time         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version      UInt64 CODEC(Delta, ZSTD(1)),
    count        UInt32 CODEC(T64, ZSTD(1)),
    sum          Float64 CODEC(ZSTD(1)),
    min          Float64 CODEC(ZSTD(1)),
    max          Float64 CODEC(ZSTD(1)),
    first        Float64 CODEC(ZSTD(1)),
    last         Float64 CODEC(ZSTD(1)),
    first_before UInt32 CODEC(ZSTD(1)),
    last_before  UInt32 CODEC(ZSTD(1)),
    stale        Bool CODEC(ZSTD(1)),
    reset_sum    Float64 CODEC(ZSTD(1)),
    resets       UInt32 CODEC(T64, ZSTD(1)),
    changes      UInt32 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY week
ORDER BY (tenant, span, series, time);

-- `span` is the start of the day: a series' buckets of a day lie together, as those of an hour do in the other tables.
CREATE TABLE vedette.samples_1h
(
    tenant       LowCardinality(String) CODEC(ZSTD(1)),
    month        Date CODEC(ZSTD(1)),
    span         DateTime('UTC') CODEC(Delta, ZSTD(1)),
    series       UInt64 CODEC(ZSTD(1)),
    time         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version      UInt64 CODEC(Delta, ZSTD(1)),
    count        UInt32 CODEC(T64, ZSTD(1)),
    sum          Float64 CODEC(ZSTD(1)),
    min          Float64 CODEC(ZSTD(1)),
    max          Float64 CODEC(ZSTD(1)),
    first        Float64 CODEC(ZSTD(1)),
    last         Float64 CODEC(ZSTD(1)),
    first_before UInt32 CODEC(ZSTD(1)),
    last_before  UInt32 CODEC(ZSTD(1)),
    stale        Bool CODEC(ZSTD(1)),
    reset_sum    Float64 CODEC(ZSTD(1)),
    resets       UInt32 CODEC(T64, ZSTD(1)),
    changes      UInt32 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY month
ORDER BY (tenant, span, series, time);

-- The state of every hour of a tenant's samples: `changed` is when samples of it arrived last, `rolled` what had arrived
-- when its buckets were made. What is gone to a budget, in part or wholly, is marked.
CREATE TABLE vedette.metric_hours
(
    tenant   LowCardinality(String) CODEC(ZSTD(1)),
    hour     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    changed  SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    rolled   SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    raw_gone SimpleAggregateFunction(max, UInt8) CODEC(ZSTD(1)),
    samples_5m_gone SimpleAggregateFunction(max, UInt8) CODEC(ZSTD(1)),
    samples_1h_gone SimpleAggregateFunction(max, UInt8) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, hour);

-- What was there before there were buckets.
INSERT INTO vedette.metric_hours (tenant, hour, changed)
SELECT tenant, hour, now64(3, 'UTC')
FROM vedette.samples
GROUP BY tenant, hour;
