-- The newest {limit:UInt32} matching lines of new blocks, in the order of time.
WITH
${DoubleFunction}
SELECT
${IdColumns},
${LineColumns}
FROM
(
    SELECT *, observed_time, ${LineHash} AS line_hash
    FROM vedette.logs
    WHERE ${NewLines} AND ${condition}
    ORDER BY time DESC, line_hash DESC
    LIMIT {limit:UInt32}
) AS l
ORDER BY time, line_hash
