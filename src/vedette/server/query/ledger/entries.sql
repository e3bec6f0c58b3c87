-- The ledger's lines, newest first, as JSON objects.
SELECT formatRowNoNewline(
    'JSONEachRow',
    concat(replaceOne(toString(time), ' ', 'T'), 'Z') AS time,
    signal,
    reason,
    count,
    bytes,
    detail)
FROM vedette.ledger AS entry
WHERE ${wanted}
ORDER BY entry.time DESC, signal, reason
LIMIT {limit:UInt32}
