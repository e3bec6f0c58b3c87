SELECT id, min(day)::Int64 AS first_day, toUnixTimestamp64Milli(min(added)) AS first_added
FROM vedette.series_arrivals
WHERE added > fromUnixTimestamp64Milli({since:Int64}, 'UTC')
GROUP BY id
