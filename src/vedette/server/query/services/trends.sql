-- Requests, errors and the 95th percentile of every service over time, an item for every step. As in the list of
-- services, the figures are those of server and consumer spans, or of all spans of a service that has none of these.
WITH range({points:UInt32}) AS steps
SELECT
    service,
    -- An index of 0 is none, and reads as 0.
    arrayMap(s -> if(is_served, served, spans)[indexOf(buckets, s)], steps) AS request_counts,
    arrayMap(s -> if(is_served, served_errors, span_errors)[indexOf(buckets, s)], steps) AS error_counts,
    arrayMap(s -> nullIf(if(is_served, served_p95, span_p95)[indexOf(buckets, s)], 0), steps) AS p95_ms
FROM
(
    SELECT
        service,
        sum(served_count) > 0 AS is_served,
        groupArray(bucket) AS buckets,
        groupArray(span_count) AS spans,
        groupArray(span_error_count) AS span_errors,
        groupArray(span_p95_ms) AS span_p95,
        groupArray(served_count) AS served,
        groupArray(served_error_count) AS served_errors,
        groupArray(served_p95_ms) AS served_p95
    FROM
    (
        SELECT
            toString(service) AS service,
            toUInt32(intDiv(toInt64(toUnixTimestamp(minute)) - {start:Int64}, {step_seconds:Int64})) AS bucket,
            sum(count) AS span_count,
            sumIf(count, status = 'error') AS span_error_count,
            round(quantilesDDMerge(0.01, 0.95)(durations)[1]::Float64 / 1e6, 3) AS span_p95_ms,
            sumIf(count, kind IN ('server', 'consumer')) AS served_count,
            sumIf(count, status = 'error' AND kind IN ('server', 'consumer')) AS served_error_count,
            if(served_count = 0, 0, round(quantilesDDMergeIf(0.01, 0.95)(durations, kind IN ('server', 'consumer'))[1]::Float64 / 1e6, 3)) AS served_p95_ms
        FROM vedette.red_minute
        WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
        GROUP BY service, bucket
    )
    GROUP BY service
)
ORDER BY service
