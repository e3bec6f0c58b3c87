-- A trace of few spans: its spans and what they say together, read once, as a JSON object without its opening brace. A
-- trace of more than {few:UInt64} gives nothing.
WITH
    ${bounds} AS bounds,
${TimeFunctions},
${ValueFunctions}
SELECT concat(
        '"spans":[', arrayStringConcat(spans.3, ','), '],',
${TraceFacts})
FROM
(
    SELECT
        arraySort(groupArray((time, span_id, span))) AS spans,
        length(spans) AS listed,
${TraceFigures}
    FROM
    (
        SELECT
            time, span_id, parent_span_id, service, name, status, duration_ns, resource, scope,
            concat(
${SpanHead}
                ',"resource":"', lower(hex(cityHash64(resource))),
                '","scope":"', lower(hex(cityHash64(scope))), '"',
${SpanTail}) AS span
        FROM vedette.spans
        WHERE trace_id = toFixedString(unhex({trace_id:String}), 16)
          AND time BETWEEN fromUnixTimestamp64Nano(bounds.1, 'UTC') AND fromUnixTimestamp64Nano(bounds.2, 'UTC')
          AND bounds.3 <= {few:UInt64}
    )
    HAVING listed > 0
)
