-- The minutes in which halves arrived and whose calls have not been counted; the last two minutes may still be inserted.
-- What a statement may use of memory, and 0 without a bound, says from when on it has to go to disk.
SELECT DISTINCT
    toUnixTimestamp(arrived) AS window,
    getSetting('max_memory_usage') AS memory_bytes
FROM vedette.edge_halves
WHERE arrived > greatest((SELECT max(closed) FROM vedette.service_edges_closed), toDateTime({after:UInt32}, 'UTC'))
    AND arrived < now('UTC') - INTERVAL 2 MINUTE
ORDER BY window
