-- Values of one of a span's own fields, the most frequent first.
SELECT toString(${field}) AS value, sum(count) AS count
FROM vedette.red_minute
WHERE minute >= toStartOfMinute(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC'))
  AND minute < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
  AND startsWith(value, {prefix:String})
GROUP BY value
ORDER BY count DESC, value
LIMIT {limit:UInt64}
