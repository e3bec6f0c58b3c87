-- Values of one key among the newest spans of the range, the most frequent first.
SELECT value, count() AS count
FROM
(
    SELECT ${value} AS value
    FROM
    (
        SELECT *
        FROM vedette.spans
        WHERE ${range}
        ORDER BY time DESC
        LIMIT {scan:UInt64}
    )
    WHERE ${there}
)
WHERE startsWith(value, {prefix:String})
GROUP BY value
ORDER BY count DESC, value
LIMIT {limit:UInt64}
