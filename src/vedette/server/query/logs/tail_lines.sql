-- The newest {limit:UInt32} matching lines of new blocks, as server-sent events in the order of time.
WITH
${LineFunctions},
    1 AS line_number
SELECT
${LineJson}
FROM
(
    SELECT *, observed_time, ${LineHash} AS line_hash
    FROM vedette.logs
    WHERE ${NewLines} AND ${condition}
    ORDER BY time DESC, line_hash DESC
    LIMIT {limit:UInt32}
)
ORDER BY time, line_hash
