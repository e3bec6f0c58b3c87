-- One service's versions, the newest first. The range begins at {range_ns:Int64}; a version without a span before that is
-- new. Figures are those of the range.
WITH
${Resources}
SELECT
    version,
    instance_count,
    request_count, error_count, rate, error_rate, p50_ms, p95_ms, p99_ms,
    concat(replaceOne(toString(first), ' ', 'T'), 'Z') AS first_seen,
    concat(replaceOne(toString(last), ' ', 'T'), 'Z') AS last_seen,
    earlier = 0 AS is_new
FROM
(
    SELECT
        version,
        uniqExactIf(instance, inside) AS instance_count,
        countIf(inside) AS request_count,
        countIf(inside AND status = 'error') AS error_count,
        request_count / {seconds:Float64} AS rate,
        if(request_count = 0, 0, error_count / request_count) AS error_rate,
        quantilesDDIf(0.01, 0.5, 0.95, 0.99)(duration_ns::Float64, inside) AS durations,
        round(durations[1]::Float64 / 1e6, 6) AS p50_ms,
        round(durations[2]::Float64 / 1e6, 6) AS p95_ms,
        round(durations[3]::Float64 / 1e6, 6) AS p99_ms,
        min(time) AS first,
        max(time) AS last,
        countIf(NOT inside) AS earlier
    FROM
    (
        SELECT version, instance, time, status, duration_ns, time >= fromUnixTimestamp64Nano({range_ns:Int64}, 'UTC') AS inside
        FROM vedette.spans
        INNER JOIN resources USING resource
        WHERE ${Range} AND service = {service:String} AND ${Served}
    )
    GROUP BY version
    HAVING request_count > 0
)
ORDER BY first DESC, version DESC
LIMIT {limit:UInt32}
