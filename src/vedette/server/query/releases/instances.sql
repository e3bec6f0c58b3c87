-- One service's instances, the busiest first.
WITH
${Resources}
SELECT
    instance, version, host,
    request_count, error_count, rate, error_rate, p50_ms, p95_ms, p99_ms,
    concat(replaceOne(toString(first), ' ', 'T'), 'Z') AS first_seen,
    concat(replaceOne(toString(last), ' ', 'T'), 'Z') AS last_seen
FROM
(
    SELECT
        instance, version, host,
${Figures},
        min(time) AS first,
        max(time) AS last
    FROM vedette.spans
    INNER JOIN resources USING resource
    WHERE ${Range} AND service = {service:String} AND ${Served}
    GROUP BY instance, version, host
)
ORDER BY request_count DESC, instance, version
LIMIT {limit:UInt32}
