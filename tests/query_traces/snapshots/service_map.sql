-- Who called whom, the busiest edge first.
WITH
    ({end:Int64} - {start:Int64}) AS seconds
SELECT
    client,
    server,
    connection_type,
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
        toString(client) AS client,
        toString(server) AS server,
        toString(connection_type) AS connection_type,
        sum(count) AS requests,
        sum(errors) AS errors,
        quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(durations) AS durations
    FROM vedette.service_edges
    WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
    GROUP BY client, server, connection_type
)
ORDER BY requests DESC, client, server, connection_type
-- parameters: {"end": 1782910800, "first_hour": 1782907200, "last_hour": 1782910800, "start": 1782907200}
-- settings: {"enable_join_runtime_filters": 0, "output_format_json_array_of_rows": 1, "output_format_json_escape_forward_slashes": 0, "output_format_json_quote_64bit_integers": 0}
