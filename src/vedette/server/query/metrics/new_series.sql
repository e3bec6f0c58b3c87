SELECT
    id,
    any(name)::LowCardinality(String) AS name,
    mapKeys(any(labels))::Array(LowCardinality(String)) AS keys,
    mapValues(any(labels))::Array(LowCardinality(String)) AS values,
    min(day) AS first_day,
    max(day) AS last_day
FROM vedette.series_arrivals
WHERE added > fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND /*series*/
GROUP BY id
