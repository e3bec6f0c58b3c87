-- Matching spans by the value of one key, the most frequent first. The windows see the groups that the limit drops.
SELECT
    any(all_spans) AS total_count,
    any(all_values) AS value_count,
    arraySort(g -> (-toInt64(g.count), g.value), groupArray(CAST(
        (value, spans, errors, durations[1] / 1e6, durations[2] / 1e6, durations[3] / 1e6),
        'Tuple(value String, count UInt64, error_count UInt64, p50_ms Float64, p95_ms Float64, p99_ms Float64)'))) AS groups
FROM
(
    SELECT *, sum(spans) OVER () AS all_spans, count() OVER () AS all_values
    FROM
    (
        SELECT
            ${value} AS value,
            count() AS spans,
            countIf(status = 'error') AS errors,
            quantilesTDigest(0.5, 0.95, 0.99)(duration_ns) AS durations
        FROM vedette.spans
        WHERE ${range} AND ${conditions} AND ${there}
        GROUP BY value
    )
    ORDER BY spans DESC, value
    LIMIT {limit:UInt64}
)
