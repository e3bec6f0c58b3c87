-- The ledger summed by signal and reason, as JSON objects.
SELECT formatRowNoNewline('JSONEachRow', signal, reason, sum(entry.count) AS count, sum(entry.bytes) AS bytes)
FROM vedette.ledger AS entry
WHERE ${wanted}
GROUP BY signal, reason
ORDER BY signal, reason
