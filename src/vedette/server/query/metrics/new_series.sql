-- Each series once; of its days, the arrivals tell all.
SELECT
    id,
    name,
    mapKeys(labels)::Array(LowCardinality(String)) AS keys,
    mapValues(labels)::Array(LowCardinality(String)) AS values,
    day AS first_day,
    day AS last_day
FROM vedette.series_arrivals
WHERE added > fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND /*series*/
LIMIT 1 BY id
