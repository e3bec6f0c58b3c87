-- A trace of few spans: its spans and what they say together, read once, as a JSON object without its opening brace.
WITH
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
        WHERE ${OfTrace}
    )
    HAVING listed > 0
)
