-- The number of the last insert into a partition of each of some tables.
SELECT table, max(max_block_number)::UInt64 AS block
FROM system.parts
WHERE database = 'vedette' AND active AND partition_id = {partition:String} AND table IN {tables:Array(String)}
GROUP BY table
