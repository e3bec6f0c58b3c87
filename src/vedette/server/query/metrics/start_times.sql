SELECT series, toUnixTimestamp64Milli(at) AS time_ms, toUnixTimestamp64Milli(start_time) AS start_ms
FROM vedette.samples
WHERE hour >= fromUnixTimestamp({first_hour:Int64}) AND hour <= fromUnixTimestamp({last_hour:Int64})
    AND at >= fromUnixTimestamp64Milli({start:Int64}, 'UTC') AND at <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND /*series*/
