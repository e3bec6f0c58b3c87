-- Requests, errors and the 95th percentile of every service over time, an item for every step. As in the list of
-- services, the figures are those of server and consumer spans, or of all spans of a service that has none of these.
WITH range({points:UInt32}) AS steps
SELECT
    service,
    -- An index of 0 is none, and reads as 0.
    arrayMap(s -> if(is_served, served_steps.2, other_steps.2)[indexOf(if(is_served, served_steps.1, other_steps.1), s)], steps) AS request_counts,
    arrayMap(s -> if(is_served, served_steps.3, other_steps.3)[indexOf(if(is_served, served_steps.1, other_steps.1), s)], steps) AS error_counts,
    arrayMap(s -> nullIf(if(is_served, served_steps.4, other_steps.4)[indexOf(if(is_served, served_steps.1, other_steps.1), s)], 0), steps) AS p95_ms
FROM
(
    SELECT
        service,
        countIf(served) > 0 AS is_served,
        groupArrayIf((bucket, spans, errors, step_p95_ms), served) AS served_steps,
        groupArrayIf((bucket, spans, errors, step_p95_ms), NOT served) AS other_steps
    FROM
    (
        -- Each state of durations is merged once.
        SELECT
            toString(service) AS service,
            served,
            toUInt32(intDiv(toInt64(toUnixTimestamp(minute)) - {start:Int64}, {step_seconds:Int64})) AS bucket,
            sum(count) AS spans,
            sum(error_count) AS errors,
            round(quantilesDDMerge(0.01, 0.95)(durations)[1]::Float64 / 1e6, 3) AS step_p95_ms
        FROM vedette.red_service_minute
        WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
        GROUP BY service, served, bucket
    )
    GROUP BY service
)
ORDER BY service
