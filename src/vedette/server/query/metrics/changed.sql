-- The buckets of some hours are to be made again.
INSERT INTO vedette.metric_hours (tenant, hour, changed)
SELECT tenant, hour, now64(3)
FROM vedette.metric_hours
WHERE tenant = {tenant:String}
    AND hour >= fromUnixTimestamp64Milli({start:Int64}, 'UTC') - INTERVAL 2 HOUR AND hour <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
GROUP BY tenant, hour
