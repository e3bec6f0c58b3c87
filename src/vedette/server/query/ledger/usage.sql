-- Rows and bytes kept in each hour by signal, as JSON objects.
SELECT formatRowNoNewline(
    'JSONEachRow',
    concat(replaceOne(toString(hour), ' ', 'T'), 'Z') AS hour,
    signal,
    sum(used.rows) AS rows,
    sum(used.bytes) AS bytes)
FROM vedette.usage_hour AS used
WHERE tenant = {tenant:String}
    AND used.hour >= toStartOfHour(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC'))
    AND used.hour < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
    AND ({signal:String} = '' OR signal = {signal:String})
GROUP BY used.hour, signal
ORDER BY used.hour, signal
