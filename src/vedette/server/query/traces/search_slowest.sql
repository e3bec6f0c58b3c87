-- Traces with a matching span, the longest first.
SELECT
    lower(hex(trace_id)) AS id,
    toUnixTimestamp64Nano(max(end)) - toUnixTimestamp64Nano(min(start)) AS position
FROM vedette.trace_index
WHERE trace_id IN (SELECT trace_id FROM vedette.spans WHERE ${range} AND ${conditions})
GROUP BY trace_id
HAVING ${after}
ORDER BY position DESC, trace_id DESC
LIMIT {limit:UInt64}
