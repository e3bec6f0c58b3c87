-- One service's figures over time: a row for every step, also where nothing happened. They are those of its server and
-- consumer spans, if it has any in the range, else those of all its spans.
WITH
    {step_seconds:UInt32} AS seconds,
    (
        SELECT countIf(served) > 0
        FROM vedette.red_service_minute
        WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
          AND service = {service:String}
    ) AS served_only
SELECT
    formatDateTime(at, '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS time,
    requests AS request_count,
    errors AS error_count,
    requests / seconds AS rate,
    if(requests = 0, 0, errors / requests) AS error_rate,
    if(requests = 0, NULL, round(durations[1]::Float64 / 1e6, 6)) AS p50_ms,
    if(requests = 0, NULL, round(durations[2]::Float64 / 1e6, 6)) AS p95_ms,
    if(requests = 0, NULL, round(durations[3]::Float64 / 1e6, 6)) AS p99_ms
FROM
(
    SELECT
        toDateTime(intDiv(toUnixTimestamp(minute), {step_seconds:UInt32}) * {step_seconds:UInt32}, 'UTC') AS at,
        sum(count) AS requests,
        sum(error_count) AS errors,
        quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations) AS durations
    FROM vedette.red_service_minute
    WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
      AND service = {service:String}
      AND (NOT served_only OR served)
    GROUP BY at
    ORDER BY at WITH FILL FROM toDateTime({start:Int64}, 'UTC') TO toDateTime({end:Int64}, 'UTC') STEP {step_seconds:UInt32}
)
ORDER BY at
-- parameters: {"end": 1782910800, "first_hour": 1782907200, "last_hour": 1782910800, "service": "shop", "start": 1782907200, "step_seconds": 300}
-- settings: {"enable_join_runtime_filters": 0, "output_format_json_array_of_rows": 1, "output_format_json_escape_forward_slashes": 0, "output_format_json_quote_64bit_integers": 0}
