-- The partitions whose halves neither a count nor a look at the map needs any more, once {closed} is counted: a half waits
-- ten minutes, and a look that began before the last count has had a minute.
SELECT DISTINCT _partition_id AS partition
FROM vedette.call_halves
WHERE arrived < toDateTime({closed:UInt32}, 'UTC') - INTERVAL 11 MINUTE
    AND toStartOfTenMinutes(arrived) + INTERVAL 21 MINUTE <= toDateTime({closed:UInt32}, 'UTC')
