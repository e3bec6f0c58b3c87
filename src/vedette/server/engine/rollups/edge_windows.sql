-- The minutes in which halves arrived and whose calls have not been counted. The minute in which halves arrive now and
-- the one before it may still be inserted.
SELECT DISTINCT toUnixTimestamp(arrived) AS window
FROM vedette.call_halves
WHERE arrived > toDateTime({closed:UInt32}, 'UTC') AND arrived < toDateTime({opened:UInt32}, 'UTC') - INTERVAL 1 MINUTE
ORDER BY window
