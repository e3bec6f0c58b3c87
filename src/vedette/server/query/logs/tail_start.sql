-- The highest block of each partition, from the names of its parts.
SELECT _partition_id AS partition, max(toUInt64(splitByChar('_', _part)[3])) AS top
FROM vedette.logs
WHERE tenant = {tenant:String}
GROUP BY partition
