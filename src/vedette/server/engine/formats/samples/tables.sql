-- Samples of series that were told before, by their ids: one row of in_samples is a scrape of one target, or a request.
-- Whoever sends them has sent the series with their labels on the same day, as remote write or OTLP.
CREATE TABLE vedette.in_samples
(
    tenant LowCardinality(String),
    received_unix_nano UInt64,
    series Array(UInt64),
    time Array(Int64),
    value Array(Float64),
    start Array(Int64),
    exemplar_series Array(UInt64),
    exemplar_time Array(Int64),
    exemplar_value Array(Float64),
    exemplar_ids String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW vedette.in_samples_to_samples TO vedette.samples AS
WITH ${PartitionDay}
SELECT
    tenant,
    partition_day(time, received) AS day,
    ${SampleHour} AS hour,
    series,
    ${SampleTime},
    ${SampleUnits},
    start_time
FROM
(
    SELECT
        tenant,
        received,
        one.1 AS series,
        one.2 AS at_ms,
        one.3 AS value,
        fromUnixTimestamp64Milli(one.4, 'UTC') AS start_time
    FROM
    (
        SELECT
            tenant,
            fromUnixTimestamp64Milli(intDiv(received_unix_nano, 1000000)::Int64, 'UTC') AS received,
            arrayZip(series, time, value, arrayResize(start, length(series))) AS all
        FROM vedette.in_samples
    )
    ARRAY JOIN all AS one
);

CREATE MATERIALIZED VIEW vedette.in_samples_to_exemplars TO vedette.exemplars AS
WITH ${PartitionDay}
SELECT
    tenant,
    partition_day(time, received) AS day,
    ${SampleHour} AS hour,
    series,
    time,
    value,
    toFixedString(substring(ids, 1, 16), 16) AS trace_id,
    toFixedString(substring(ids, 17, 8), 8) AS span_id,
    map()::Map(LowCardinality(String), String) AS labels
FROM
(
    SELECT
        tenant,
        fromUnixTimestamp64Milli(intDiv(received_unix_nano, 1000000)::Int64, 'UTC') AS received,
        series,
        fromUnixTimestamp64Milli(exemplar_time, 'UTC') AS time,
        value,
        substring(exemplar_ids, 24 * place - 23, 24) AS ids
    FROM vedette.in_samples
    ARRAY JOIN exemplar_series AS series, exemplar_time, exemplar_value AS value, arrayEnumerate(exemplar_series) AS place
);
