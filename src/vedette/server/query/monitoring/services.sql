-- Spans and errors of each service, busiest first.
SELECT service AS name, sum(red.count) AS spans, sum(red.error_count) AS errors
FROM vedette.red_service_minute AS red
WHERE tenant = {tenant:String}
    AND minute >= toStartOfMinute(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC'))
    AND minute < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')
GROUP BY name
ORDER BY spans DESC, name
LIMIT 1000
