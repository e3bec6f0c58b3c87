SELECT
    series,
    toUnixTimestamp(hour) AS hour_seconds,
    groupArray(toUInt32(toUnixTimestamp64Milli(time) + ms - toUnixTimestamp(hour) * 1000)) AS offsets,
    groupArray(value) AS floats,
    toUnixTimestamp64Milli(min(start_time)) AS start_min,
    toUnixTimestamp64Milli(max(start_time)) AS start_max
FROM vedette.samples
WHERE hour >= fromUnixTimestamp({first_hour:Int64}) AND hour <= fromUnixTimestamp({last_hour:Int64})
    AND at >= fromUnixTimestamp64Milli({start:Int64}, 'UTC') AND at <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND /*series*/
GROUP BY hour, series
