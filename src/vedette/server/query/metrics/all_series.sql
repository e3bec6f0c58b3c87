-- Each series once, by a row of its last day: grouping whole label sets takes a kilobyte of memory a series.
SELECT
    id,
    name,
    mapKeys(labels)::Array(LowCardinality(String)) AS keys,
    mapValues(labels)::Array(LowCardinality(String)) AS values,
    day AS first_day,
    day AS last_day
FROM vedette.series
WHERE (id, day) IN (SELECT id, max(day) FROM vedette.series GROUP BY id)
LIMIT 1 BY id
