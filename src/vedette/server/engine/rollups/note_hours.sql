-- Which hours samples arrived for since a moment. A sample at the start of an hour belongs to the buckets before, too.
INSERT INTO vedette.metric_hours (tenant, hour, changed)
SELECT tenant, hour, max(added) AS changed
FROM vedette.sample_arrivals
ARRAY JOIN arrayDistinct([toStartOfHour(earliest), toStartOfHour(earliest - INTERVAL 1 MILLISECOND)])::Array(DateTime('UTC')) AS hour
WHERE added > fromUnixTimestamp64Milli({since:Int64}, 'UTC')
GROUP BY tenant, hour
