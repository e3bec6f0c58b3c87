SELECT
    series,
    toUnixTimestamp64Milli(time) AS time_ms,
    value::String AS number,
    mapUpdate(
        mapFilter((k, v) -> v != '', map(
            'trace_id', if(trace_id = toFixedString('', 16), '', lower(hex(trace_id))),
            'span_id', if(span_id = toFixedString('', 8), '', lower(hex(span_id)))))::Map(String, String),
        labels::Map(String, String)) AS texts
FROM vedette.exemplars
WHERE hour >= toStartOfHour(fromUnixTimestamp64Milli({start:Int64}, 'UTC'))
    AND hour <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND time >= fromUnixTimestamp64Milli({start:Int64}, 'UTC') AND time <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND series IN (/*series*/)
ORDER BY series, time
LIMIT 1 BY series, time, trace_id, span_id, value
LIMIT 100000
