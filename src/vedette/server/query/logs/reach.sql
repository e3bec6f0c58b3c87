-- At which times the next {limit:UInt32} matching lines lie: read in the order of the table, and from the columns of the
-- condition alone. A few times are named one by one, so that the page reads what lies there and nothing between.
SELECT
    count() AS found,
    toUnixTimestamp64Nano(min(time)) AS first_ns,
    toUnixTimestamp64Nano(max(time)) AS last_ns,
    ${times} AS times_ns
FROM
(
    SELECT time
    FROM vedette.logs
    WHERE ${Selected} AND ${condition}
    ORDER BY time ${direction}
    LIMIT {limit:UInt32}
)
