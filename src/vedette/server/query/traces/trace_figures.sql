-- What the index says of a whole trace, from its spans: for one whose spans came a moment ago.
WITH ${bounds} AS bounds
SELECT (
    min(s.time),
    max(s.time + toIntervalNanosecond(least(s.duration_ns, 9223372036854775807 - toUnixTimestamp64Nano(s.time)))),
    count(),
    countIf(s.status = 'error')
) AS figures
FROM vedette.spans AS s
WHERE ${OfTrace}
