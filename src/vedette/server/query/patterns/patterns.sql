-- Lines by the shape of their text, the most frequent first. Masks for people are made of one line of each shape. What is
-- sampled is slices of time, so that rows which lie together are read or skipped together. The range begins at
-- {range_ns:Int64}; what lies before tells which shapes are new.
WITH
${MessageShape},
${MessageMask}
SELECT
    message_mask(example) AS pattern,
    example,
    lines,
    lines_before,
    first_ns,
    last_ns,
    severities,
    services,
    arrayMap(b -> trend_counts[indexOf(trend_buckets, b)], range({buckets:UInt32})) AS trend
FROM
(
    SELECT
        argMax(body, (inside, time)) AS example,
        countIf(inside) AS lines,
        count() - lines AS lines_before,
        toUnixTimestamp64Nano(minIf(time, inside)) AS first_ns,
        toUnixTimestamp64Nano(maxIf(time, inside)) AS last_ns,
        sumMapIf(map(toString(severity), 1::UInt64), inside) AS severities,
        groupUniqArrayIf(10)(toString(service), inside) AS services,
        sumMapIf([bucket], [1::UInt64], inside) AS trend_pair,
        trend_pair.1 AS trend_buckets,
        trend_pair.2 AS trend_counts
    FROM
    (
        SELECT
            time, severity, service, body,
            time >= fromUnixTimestamp64Nano({range_ns:Int64}, 'UTC') AS inside,
            intDiv(toUnixTimestamp64Nano(time) - {range_ns:Int64}, {width_ns:Int64}) AS bucket
        FROM vedette.logs
        WHERE ${Selected} AND ${condition} AND cityHash64(intDiv(toUnixTimestamp64Nano(time), {slice_ns:Int64})) % {one_in:UInt64} = 0
    )
    GROUP BY message_shape(body)
    HAVING lines > 0
    ORDER BY lines DESC, example
    LIMIT {shapes:UInt32}
)
ORDER BY lines DESC, pattern
