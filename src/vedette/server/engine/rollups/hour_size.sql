-- How many samples an hour has, and what time the engine has.
SELECT count() AS samples, toUnixTimestamp64Milli(now64(3)) AS now
FROM vedette.samples
WHERE tenant IN {tenants:Array(String)} AND hour = {hour:DateTime('UTC')}
