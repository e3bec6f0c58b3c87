-- Traces with a matching span, the longest first, and when each began. The index is written a moment after the spans are
-- there: what matches and is that new counts as it is, also where the index has it already.
SELECT
    lower(hex(trace_id)) AS id,
    toUnixTimestamp64Nano(max(end)) - toUnixTimestamp64Nano(min(start)) AS position,
    toUnixTimestamp64Nano(min(start)) AS began
FROM
(
    SELECT trace_id, start, end
    FROM vedette.trace_index
    WHERE trace_id IN (SELECT trace_id FROM vedette.spans WHERE ${range} AND ${conditions})
    UNION ALL
    SELECT trace_id, time, ${SpanEnd}
    FROM vedette.spans
    WHERE ${range} AND time > now64(9) - INTERVAL 15 MINUTE AND ${conditions}
)
GROUP BY trace_id
HAVING ${after}
ORDER BY position DESC, trace_id DESC
LIMIT {limit:UInt64}
