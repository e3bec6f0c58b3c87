-- One service's operations, the busiest first.
WITH
    ({end:Int64} - {start:Int64}) AS seconds
SELECT
    name,
    kind,
${Figures},
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
    ${Red}
    WHERE service = {service:String}
    GROUP BY name, kind
)
ORDER BY requests DESC, name, kind
