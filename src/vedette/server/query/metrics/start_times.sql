SELECT series, toUnixTimestamp64Milli(time) AS time_ms, toUnixTimestamp64Milli(start_time) AS start_ms
FROM vedette.samples
WHERE hour >= fromUnixTimestamp({first_hour:Int64}) AND hour <= fromUnixTimestamp({last_hour:Int64})
    AND time >= fromUnixTimestamp64Milli({start:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND /*series*/
