-- The number of the last insert into a partition of each of some tables, and what time the engine has.
SELECT table, max(max_block_number)::UInt64 AS block, toUnixTimestamp64Milli(now64(3)) AS now
FROM system.parts
WHERE database = 'vedette' AND active AND partition_id = {partition:String} AND table IN {tables:Array(String)}
GROUP BY table
