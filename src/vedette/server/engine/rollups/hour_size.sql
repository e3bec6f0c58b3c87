-- How many samples some hours have, and what time the engine has.
SELECT count() AS samples, toUnixTimestamp64Milli(now64(3)) AS now
FROM vedette.samples
WHERE tenant IN {tenants:Array(String)} AND hour IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
