-- What the index says of a whole trace, from its spans: for one whose spans came a moment ago.
WITH ${bounds} AS bounds
SELECT (
    min(s.time),
    max(${SpanEnd}),
    count(),
    countIf(s.status = 'error')
) AS figures
FROM vedette.spans AS s
WHERE ${OfTrace}
