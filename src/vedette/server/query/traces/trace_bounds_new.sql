-- When spans of some traces start that the index may not have yet: it is written a moment after the spans are there.
SELECT
    toUnixTimestamp64Nano(min(time)) AS start_ns,
    toUnixTimestamp64Nano(max(time)) AS end_ns,
    count() AS spans,
    uniqExact(trace_id) AS found
FROM vedette.spans
WHERE time > now64(9) - INTERVAL 15 MINUTE
  AND trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
HAVING found > 0
