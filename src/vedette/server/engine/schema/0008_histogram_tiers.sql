-- Summaries of native histograms per series and 5 minutes, and per series and hour, as those of floats are in 0005:
-- docs/adr/0007-downsampling.md.
--
-- `kept` are the first and the last histogram of a bucket and the two at both sides of every step at which the counter may
-- have been reset or the layout was changed; so what two kept ones differ by is what all between them add. `before` is
-- milliseconds to `time`, `place` the number of the histogram in its bucket from 1 on, `changes` how often a histogram of the
-- bucket was another than the one before, up to this one. `sums` are all histograms of the bucket added up, one for each
-- layout; there `place` is how many they were. Stale markers are neither, but `stale` tells that one is behind the last
-- histogram, and `last_before` is milliseconds from the last of both to `time`. `count` is how many histograms there were.
--
-- `version` is as in 0005: of two rows for one bucket the one made of more counts.

CREATE TABLE vedette.histograms_5m
(
    tenant      LowCardinality(String) CODEC(ZSTD(1)),
    week        Date CODEC(ZSTD(1)),
    span        DateTime('UTC') CODEC(Delta, ZSTD(1)),
    series      UInt64 CODEC(ZSTD(1)),
    time        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version     UInt64 CODEC(Delta, ZSTD(1)),
    count       UInt32 CODEC(T64, ZSTD(1)),
    last_before UInt32 CODEC(ZSTD(1)),
    stale       Bool CODEC(ZSTD(1)),
    kept        Array(${HistogramPoint}) CODEC(ZSTD(1)),
    sums        Array(${HistogramPoint}) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY week
ORDER BY (tenant, span, series, time);

CREATE TABLE vedette.histograms_1h
(
    tenant      LowCardinality(String) CODEC(ZSTD(1)),
    month       Date CODEC(ZSTD(1)),
    span        DateTime('UTC') CODEC(Delta, ZSTD(1)),
    series      UInt64 CODEC(ZSTD(1)),
    time        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version     UInt64 CODEC(Delta, ZSTD(1)),
    count       UInt32 CODEC(T64, ZSTD(1)),
    last_before UInt32 CODEC(ZSTD(1)),
    stale       Bool CODEC(ZSTD(1)),
    kept        Array(${HistogramPoint}) CODEC(ZSTD(1)),
    sums        Array(${HistogramPoint}) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY month
ORDER BY (tenant, span, series, time);

-- What was there before there were these buckets.
INSERT INTO vedette.metric_hours (tenant, hour, changed)
SELECT tenant, toStartOfHour(time - INTERVAL 1 MILLISECOND) AS hour, now64(3, 'UTC')
FROM vedette.histograms
GROUP BY tenant, hour;
