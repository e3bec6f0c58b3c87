-- Values of one field in the newest {sample:UInt64} lines that have it, most frequent first.
SELECT value, count() AS lines
FROM
(
    SELECT toString(${value}) AS value
    FROM vedette.logs
    WHERE ${Selected} AND ${present}
    ORDER BY time DESC
    LIMIT {sample:UInt64}
)
WHERE startsWith(lower(value), lower({prefix:String}))
GROUP BY value
ORDER BY lines DESC, value
LIMIT {limit:UInt32}
