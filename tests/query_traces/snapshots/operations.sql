-- One service's operations, the busiest first.
WITH
    ({end:Int64} - {start:Int64}) AS seconds
SELECT
    name,
    kind,
    requests AS request_count,
    errors AS error_count,
    requests / seconds AS rate,
    if(requests = 0, 0, errors / requests) AS error_rate,
    if(requests = 0, NULL, round(durations[1]::Float64 / 1e6, 6)) AS p50_ms,
    if(requests = 0, NULL, round(durations[2]::Float64 / 1e6, 6)) AS p95_ms,
    if(requests = 0, NULL, round(durations[3]::Float64 / 1e6, 6)) AS p99_ms,
    last_seen
FROM
(
    SELECT
        toString(name) AS name,
        toString(kind) AS kind,
        sum(count) AS requests,
        sumIf(count, status = 'error') AS errors,
        quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations) AS durations,
        formatDateTime(max(last_minute), '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS last_seen
    FROM
    (
        SELECT service, name, kind, status, minute AS last_minute, count, durations
        FROM vedette.red_minute
        WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
          AND NOT (minute >= toDateTime({first_hour:Int64}, 'UTC') AND minute < toDateTime({last_hour:Int64}, 'UTC'))
        UNION ALL
        SELECT service, name, kind, status, last_minute, count, durations
        FROM vedette.red_hour
        WHERE hour >= toDateTime({first_hour:Int64}, 'UTC') AND hour < toDateTime({last_hour:Int64}, 'UTC')
    )
    WHERE service = {service:String}
    GROUP BY name, kind
)
ORDER BY requests DESC, name, kind
-- parameters: {"end": 1782910800, "first_hour": 1782907200, "last_hour": 1782910800, "service": "shop", "start": 1782907200}
-- settings: {"enable_join_runtime_filters": 0, "output_format_json_array_of_rows": 1, "output_format_json_escape_forward_slashes": 0, "output_format_json_quote_64bit_integers": 0}
