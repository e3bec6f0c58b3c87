-- Matching spans as JSON objects, one a line.
WITH
${TimeFunctions}
SELECT
    concat(
${SpanHead}
        ',"resource":', toString(resource),
        ',"scope":', toString(scope),
${SpanTail})
FROM vedette.spans
WHERE ${range} AND ${conditions}
ORDER BY time
LIMIT {limit:UInt64}
