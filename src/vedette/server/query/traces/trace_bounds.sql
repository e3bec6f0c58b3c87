-- When the first span of some traces starts and the last one ends, how many spans there are, and how many of the traces
-- the index has.
SELECT
    toUnixTimestamp64Nano(min(start)) AS start_ns,
    toUnixTimestamp64Nano(max(end)) AS end_ns,
    sum(span_count) AS spans,
    uniqExact(trace_id) AS found
FROM vedette.trace_index
WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
HAVING found > 0
