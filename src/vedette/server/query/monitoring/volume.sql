-- What was kept, by signal. Hours count whole.
SELECT signal, sum(used.rows) AS rows, sum(used.bytes) AS bytes
FROM vedette.usage_hour AS used
WHERE tenant = {tenant:String}
    AND hour >= toStartOfHour(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC'))
    AND hour < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
GROUP BY signal
ORDER BY signal
