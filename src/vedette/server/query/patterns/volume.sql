-- How many lines there are in the range and in the time before it.
SELECT countIf(time >= fromUnixTimestamp64Nano({range_ns:Int64}, 'UTC')) AS lines, count() - lines AS lines_before
FROM vedette.logs
WHERE ${Selected} AND ${condition}
