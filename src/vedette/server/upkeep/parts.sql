-- What every partition of the stored tables takes on disk.
SELECT table, partition_id, sum(bytes_on_disk) AS bytes
FROM system.parts
WHERE database = 'vedette' AND active
GROUP BY table, partition_id
ORDER BY table, partition_id
