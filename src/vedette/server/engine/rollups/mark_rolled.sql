-- What had arrived until `rolled` is in the buckets of some hours.
INSERT INTO vedette.metric_hours (tenant, hour, rolled)
SELECT tenant, hour, fromUnixTimestamp64Milli({rolled:Int64}, 'UTC')
FROM vedette.metric_hours
WHERE tenant IN {tenants:Array(String)} AND hour IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
GROUP BY tenant, hour
