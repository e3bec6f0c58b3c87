SELECT
    series,
    toUnixTimestamp64Milli(time) AS time_ms,
    toUnixTimestamp64Milli(start_time) AS start_ms,
    schema,
    zero_threshold,
    zero_count,
    count,
    sum,
    positive_indexes,
    positive_counts,
    negative_indexes,
    negative_counts,
    custom_bounds,
    counter_reset_hint::Int8 AS hint
FROM vedette.histograms
WHERE hour >= fromUnixTimestamp({first_hour:Int64}) AND hour <= fromUnixTimestamp({last_hour:Int64})
    AND time >= fromUnixTimestamp64Milli({start:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND /*series*/
