-- The parts of a partition that have nothing of a later insert.
SELECT name
FROM system.parts
WHERE database = 'vedette' AND active AND table = {table:String} AND partition_id = {partition:String}
    AND max_block_number <= {block:UInt64}
ORDER BY min_block_number
