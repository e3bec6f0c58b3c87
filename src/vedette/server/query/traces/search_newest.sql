-- The traces of the newest {scan:UInt64} matching spans at or before the cursor, newest first. `scanned` and
-- `reached` say how many spans that were and when the oldest of them started: a trace at that very moment may go on.
SELECT
    lower(hex(trace_id)) AS id,
    toUnixTimestamp64Nano(max(time)) AS position,
    sum(count()) OVER () AS scanned,
    toUnixTimestamp64Nano(min(min(time)) OVER ()) AS reached
FROM
(
    SELECT trace_id, time
    FROM vedette.spans
    WHERE ${range} AND ${conditions} AND ${after}
    ORDER BY time DESC
    LIMIT {scan:UInt64}
)
GROUP BY trace_id
ORDER BY position DESC, trace_id DESC
LIMIT {limit:UInt64}
