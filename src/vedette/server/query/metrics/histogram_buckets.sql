-- What is read of buckets of native histograms, a row for each of them.
SELECT
    series,
    end_ms,
    version,
    since,
    end_ms - point.before AS time_ms,
    0::Int64 AS start_ms,
    point.place AS place,
    point.changes AS changes,
    point.schema AS schema,
    point.zero_threshold AS zero_threshold,
    point.zero_count AS zero_count,
    point.count AS count,
    point.sum AS sum,
    point.positive_indexes AS positive_indexes,
    point.positive_counts AS positive_counts,
    point.negative_indexes AS negative_indexes,
    point.negative_counts AS negative_counts,
    point.custom_bounds AS custom_bounds,
    point.hint AS hint
FROM
(
    SELECT series, toInt64(toUnixTimestamp64Milli(time)) AS end_ms, version, /*late_since*/ AS since, /*points*/ AS points
    FROM
    (
    /*rows*/
    )
)
ARRAY JOIN points AS point
