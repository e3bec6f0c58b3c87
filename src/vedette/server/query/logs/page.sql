-- Lines in the order of (time, hash of everything in them), which no merge and no replica changes; lines that are equal
-- even there are numbered. `beyond` begins at the line of a cursor, and as many equal ones as were shown are skipped.
WITH
${DoubleFunction}
SELECT
${IdColumns},
${LineColumns}
FROM
(
    SELECT *, observed_time, ${LineHash} AS line_hash
    FROM vedette.logs
    WHERE ${Selected} AND ${times} AND ${beyond} AND ${condition}
    ORDER BY time ${direction}, line_hash ${direction}
    LIMIT {limit:UInt32} OFFSET {skip:UInt64}
) AS l
ORDER BY time ${direction}, line_hash ${direction}, line_number
