-- When the first span of some traces starts and the last one ends; no row if there is none.
SELECT
    toUnixTimestamp64Nano(min(start)) AS start_ns,
    toUnixTimestamp64Nano(max(end)) AS end_ns
FROM vedette.trace_index
WHERE trace_id IN (SELECT toFixedString(unhex(arrayJoin({trace_ids:Array(String)})), 16))
HAVING count() > 0
