-- Operations that serve requests, those first that became slower than in the time before, then the slowest.
SELECT
    service,
    operation,
    kind,
    request_count,
    p95_ms,
    p95_before_ms,
    if(p95_before_ms > 0, round(p95_ms / p95_before_ms, 3), NULL) AS ratio
FROM
(
    SELECT
        toString(service) AS service,
        toString(name) AS operation,
        toString(kind) AS kind,
        sumIf(count, inside) AS request_count,
        sumIf(count, NOT inside) AS requests_before,
        round(quantilesDDMergeIf(0.01, 0.95)(durations, inside)[1]::Float64 / 1e6, 6) AS p95_ms,
        if(requests_before = 0, NULL, round(quantilesDDMergeIf(0.01, 0.95)(durations, NOT inside)[1]::Float64 / 1e6, 6)) AS p95_before_ms
    FROM
    (
        SELECT service, name, kind, count, durations, minute >= toDateTime({start:Int64}, 'UTC') AS inside
        FROM vedette.red_minute
        WHERE ${Minutes} AND kind IN ('server', 'consumer')
    )
    GROUP BY service, operation, kind
    HAVING request_count > 0
)
ORDER BY if(ifNull(ratio, 1) >= 1.25 AND request_count >= 5, ratio, 0) DESC, p95_ms DESC, service, operation
LIMIT {limit:UInt32}
