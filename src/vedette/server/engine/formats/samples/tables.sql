-- Samples of series that were told before, by their ids: one row of in_samples is a scrape of one target. Whoever sends
-- them has sent the series with their labels on the same day, as remote write.
CREATE TABLE vedette.in_samples
(
    tenant LowCardinality(String),
    received_unix_nano UInt64,
    series Array(UInt64),
    time Array(Int64),
    value Array(Float64)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW vedette.in_samples_to_samples TO vedette.samples AS
WITH ${PartitionDay}
SELECT
    tenant,
    partition_day(time, received) AS day,
    ${SampleHour} AS hour,
    series,
    time,
    value,
    fromUnixTimestamp64Milli(0, 'UTC') AS start_time
FROM
(
    SELECT tenant, received, one.1 AS series, fromUnixTimestamp64Milli(one.2, 'UTC') AS time, one.3 AS value
    FROM
    (
        SELECT
            tenant,
            fromUnixTimestamp64Milli(intDiv(received_unix_nano, 1000000)::Int64, 'UTC') AS received,
            arrayZip(series, time, value) AS all
        FROM vedette.in_samples
    )
    ARRAY JOIN all AS one
);
